# Every target prints what it does. PYTHON is used as it is when a virtual environment is active, else .venv is made.
ifdef VIRTUAL_ENV
PYTHON := $(VIRTUAL_ENV)/bin/python
SETUP :=
BESIDE :=
else
PYTHON := .venv/bin/python
SETUP := .venv/stamp
BESIDE := .venv/stamp-bench
endif
export PYTHONPATH := $(CURDIR)/src

.PHONY: help setup demo test check trials mutants bench storm soak generate lock

help: ## say what the targets do
	@sed -n 's/^\([a-z]*\):.*## /\1  /p' Makefile

setup: $(SETUP) ## make .venv with the pinned dependencies and sgnus itself (does nothing when it is current)

.venv/stamp: requirements.lock pyproject.toml tools/setup.sh
	@tools/setup.sh

demo: $(SETUP) ## run the demo: 12 nodes, a photograph, two crashes, a liar
	@echo "demo: a private network of 12 nodes on this machine"
	@$(PYTHON) -c "import sys; from sgnus.frontends.cli import main; sys.exit(main())" demo

check: $(SETUP) ## format, lint, types, import rules, tidy and the fast tests
	@PYTHON=$(PYTHON) tools/run_tests.sh check

test: $(SETUP) ## check, then ports, simulation, interop, trials and whole-system tests
	@PYTHON=$(PYTHON) tools/run_tests.sh check ports sim interop trials whole

.venv/stamp-bench: .venv/stamp requirements-bench.lock
	@echo "bench: installing Dask into .venv, to measure beside (requirements-bench.lock; nothing else needs it)"
	@.venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-bench.lock
	@touch $@

trials: $(SETUP) ## of make test: power cuts, fuzzers, raw bytes, and twelve nodes on real wires (as root)
	@PYTHON=$(PYTHON) tools/run_tests.sh trials

bench: $(SETUP) $(BESIDE) ## print the figures of docs/performance.md, measured here and now
	@echo "bench: each figure beside what it is compared with"
	@$(PYTHON) -m bench

storm: $(SETUP) ## 100,000 power cuts, then seeds of the simulator that nobody has run yet (HOURS=1; from 4 on also 10,000 peers), with a ledger in storm/
	@echo "storm: 100,000 power cuts, then $(or $(HOURS),1) h of new seeds; Ctrl-C ends it"
	@$(PYTHON) -m tests.disks.cuts --count $(or $(CUTS),100000) --seed $(or $(SEED),$(shell date +%s))
	@$(PYTHON) -m tools.storm --hours $(or $(HOURS),1)

mutants: $(SETUP) ## plant the bugs of tests/mutants one by one, and see that laws or 1,000 seeds catch each
	@echo "mutants: each planted bug, and what catches it (some seconds to some minutes each)"
	@$(PYTHON) -m tests.mutants --jobs 2

soak: $(SETUP) ## run 12 nodes and a fault every 5-15 s, HOURS hours long (4; also SOAK="--seed 7 --verbose")
	@echo "soak: 12 real nodes, jobs in a row, a fault every 5-15 s, for $(or $(HOURS),4) hours"
	@$(PYTHON) -m tests.soak --hours $(or $(HOURS),4) $(SOAK)

generate: $(SETUP) ## write proto, Python and api/fields.lock from api/sgnus.yaml
	@echo "generate: proto/, src/sgnus/messages/v1/ and api/fields.lock from api/sgnus.yaml"
	@$(PYTHON) -m tools.generate

COMPILE := -m piptools compile --quiet --generate-hashes --allow-unsafe --strip-extras --no-emit-index-url \
    --no-emit-find-links --no-emit-trusted-host
lock: $(SETUP) ## pin every dependency with its hashes in requirements.lock and requirements-bench.lock
	@echo "lock: requirements.lock from pyproject.toml and requirements-dev.in, then requirements-bench.lock"
	@$(PYTHON) $(COMPILE) --output-file=requirements.lock pyproject.toml requirements-dev.in
	@$(PYTHON) $(COMPILE) --output-file=requirements-bench.lock requirements-bench.in
