#!/usr/bin/env bash
# Makes .venv: pinned dependencies, sgnus itself, byte code. Says in one sentence what is missing and how to get it.
set -euo pipefail
cd "$(dirname "$0")/.."

missing() {
    echo "setup: $1" >&2
    exit 1
}

find_python() {
    local name
    for name in ${SGNUS_PYTHON:-} python3.11 python3.12 python3.13 python3; do
        if "$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            echo "$name"
            return
        fi
    done
}

has_compiler() { command -v cc >/dev/null || command -v gcc >/dev/null; }
has_gmp() { echo '#include <gmp.h>' | cc -E -x c - >/dev/null 2>&1; }
has_python_headers() {
    local header
    header=$("$python" -c 'import sysconfig; print(sysconfig.get_path("include") + "/Python.h")')
    [ -f "$header" ]
}
has_venv() { "$python" -c 'import ensurepip, venv' 2>/dev/null; }
# libp2p needs fastecdsa, which some machines must compile.
has_all() { has_compiler && has_gmp && has_python_headers && has_venv; }

python=$(find_python)
[ -n "$python" ] || missing "Python 3.11 or newer is missing; install it (Debian: apt-get install python3) or set SGNUS_PYTHON."
if ! has_all && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "setup: installing a C compiler, the gmp and Python headers, and venv with apt-get"
    (apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends \
        build-essential libgmp-dev python3-dev python3-venv) >/dev/null
fi
debian="on Debian: sudo apt-get install build-essential libgmp-dev python3-dev python3-venv"
has_compiler || missing "a C compiler is missing (libp2p's fastecdsa is compiled); $debian"
has_gmp || missing "the header gmp.h is missing (libp2p's fastecdsa is compiled against it); $debian"
has_python_headers || missing "the headers of $python are missing (Python.h); $debian"
has_venv || missing "the module venv of $python is missing; $debian"

echo "setup: .venv with $("$python" --version), the pinned dependencies and sgnus"
[ -x .venv/bin/python ] || "$python" -m venv .venv
.venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
.venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
# Without byte code the first import of libp2p takes two seconds instead of 0.7, in each of the demo's nodes.
echo "setup: compiling to byte code"
.venv/bin/python - <<'PYTHON'
import compileall
import sysconfig

for folder in (sysconfig.get_path("purelib"), sysconfig.get_path("platlib"), "src"):
    compileall.compile_dir(folder, quiet=2, workers=0)
PYTHON
touch .venv/stamp
echo "setup: done"
