#!/usr/bin/env bash
# Runs the named layers in turn, fast ones first, and stops at the first that fails.
set -euo pipefail
cd "$(dirname "$0")/.."
python=${PYTHON:-python3}
export PYTHONPATH="$PWD/src${PYTHONPATH:+:$PYTHONPATH}"

step() {
    echo "== $1"
    shift
    "$@" || {
        echo "== failed: $*" >&2
        exit 1
    }
}

# Name, lanes, how tests are dealt to them, then folders of tests; those without any test are passed over. A lane is a process:
# two keep two cores busy, also where tests mostly wait; more of them would make real nodes miss their times.
tests() {
    local name=$1 lanes=$2 dealt=$3 path found=()
    shift 3
    for path in "$@"; do
        if [ -n "$(find "tests/$path" -name 'test_*.py' -print -quit 2>/dev/null)" ]; then
            found+=("tests/$path")
        fi
    done
    if [ ${#found[@]} = 0 ]; then
        echo "== $name: no tests yet"
        return
    fi
    step "$name: ${found[*]}" "$python" -m pytest -q -rs -n "$lanes" --dist "$dealt" "${found[@]}"
}

# A test that cannot be imported shows here, and not after half an hour in its layer.
all_collected() {
    local said
    said=$("$python" -m pytest -qq --collect-only) || {
        tail -n 40 <<<"$said"
        return 1
    }
}

check() {
    step "format" "$python" -m ruff format --check --quiet --output-format concise .
    step "lint" "$python" -m ruff check --quiet --output-format concise .
    step "types" "$python" -m mypy
    step "import rules" "$(dirname "$python")/lint-imports" --no-cache --no-logo
    step "every test can be imported" all_collected
    tests "fast tests" 2 worksteal tidy core laws stories wire
}

others() {
    # Whatever folder of tests is named in no layer of this file still runs, with the ports.
    find tests -mindepth 1 -maxdepth 1 -type d -printf '%f\n' | sort \
        | grep -vxE 'tidy|core|laws|stories|wire|ports|sim|interop|whole|machines|disks|fuzz|wires|trials|__pycache__' || true
}

for layer in "$@"; do
    case $layer in
        check) check ;;
        # shellcheck disable=SC2046
        ports) tests ports 4 worksteal ports $(others) ;;
        sim) tests sim 2 worksteal sim machines ;;
        whole) tests whole 2 worksteal whole ;;
        # One lane: what npm and the C++ compiler make is made once.
        interop) tests interop 0 no interop ;;
        # By file: the network of the wires takes half a minute to begin.
        trials) tests trials 2 loadfile disks fuzz trials wires ;;
        *) echo "run_tests: no layer $layer" >&2; exit 2 ;;
    esac
done
echo "== all passed"
