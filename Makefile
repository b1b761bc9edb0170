# Settle. `make demo` and `make test` do the set-up themselves; both need only Python 3.11+ and make.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.ready
DEMO_STAMP := $(VENV)/.demo-ready

.PHONY: setup verify-page demo test test-slow test-postgres test-browser test-node test-spark test-system mutants forge check format bench bench-ingest bench-attribution bench-tunes bench-recordings bench-gaming bench-index bench-payouts bench-statements bench-service bench-verify bench-registry bench-contracts bench-influence contracts golden docs pictures wheel release clean

setup: $(STAMP)

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Settle needs Python 3.11 or later; say PYTHON=python3.11 make ..."; exit 1; }
	@$(PYTHON) -c 'import ensurepip' || { echo "This Python cannot make environments; on Debian, install python3-venv"; exit 1; }
	$(PYTHON) -m venv $(VENV)

# pip, not another resolver: the pinned torch has a CPU build (README). Without an NVIDIA driver on Linux it is taken where pip finds
# it; the default build brings 2.5 GB of CUDA packages that Settle never uses.
TORCH := torch==2.13.0
$(VENV)/.torch: | $(BIN)/python
	@$(BIN)/python -m pip show --quiet torch 2>/dev/null || test "$$(uname -s)" != Linux || test -e /proc/driver/nvidia/version \
	  || { echo "Installing torch's CPU build"; $(BIN)/python -m pip install --quiet --disable-pip-version-check '$(TORCH)+cpu' 2>/dev/null; } \
	  || echo "pip finds no CPU build of torch here, so the default one follows; README says how to choose the other."
	@touch $@

# What the tests and `make check` need as well: everything in pyproject.toml's list "dev".
$(STAMP): pyproject.toml $(VENV)/.torch
	@echo "Setting up $(VENV), once: some 160 packages. It takes minutes; the last step, 'Installing collected packages', says nothing meanwhile."
	$(BIN)/python -m pip install --disable-pip-version-check --editable '.[dev]'
	@touch $@ $(DEMO_STAMP)

# What the demo needs: no Spark, no PostgreSQL, no test tools.
$(DEMO_STAMP): pyproject.toml $(VENV)/.torch
	@echo "Setting up $(VENV) for the demo, once. It takes minutes; 'Installing collected packages' says nothing meanwhile."
	$(BIN)/python -m pip install --disable-pip-version-check --editable '.[demo]'
	@touch $@

demo: $(DEMO_STAMP)
	$(BIN)/settle demo --dir settle-demo

test: setup
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder $(PYTEST_ARGS)

test-slow: setup
	$(BIN)/python -m pytest -m slow $(PYTEST_ARGS)

test-postgres: setup
	$(BIN)/python -m pytest -m postgres $(PYTEST_ARGS)

test-browser: setup
	$(BIN)/python -m pytest -m browser $(PYTEST_ARGS)

test-node: setup
	npm install --prefix tests/contracts/node --ignore-scripts --no-package-lock --no-audit --no-fund --silent
	$(BIN)/python -m pytest -m node $(PYTEST_ARGS)

test-spark: setup
	$(BIN)/python -m pytest -m spark $(PYTEST_ARGS)

test-system: setup
	$(BIN)/python -m pytest -m system $(PYTEST_ARGS)

# Hours; MUTANTS="payouts.money.*" tries one module, MUTANTS_SAMPLE=4 every fourth mutant (docs/mutation.md).
mutants: setup
	$(BIN)/python tests/mutation/run.py $(MUTANTS)

check: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/vulture

format: setup
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# 5,000 forgeries and 300 honest months, each verified and computed again: hours.
forge: setup
	SETTLE_FORGERIES=500 SETTLE_QUARTERS=150 $(BIN)/python -m pytest -m slow -n 2 tests/attacks/forge tests/months $(PYTEST_ARGS)

bench: setup
	$(BIN)/python -m pytest -m bench -s -q $(filter-out tests/bench/bench_attribution.py,$(wildcard tests/bench/bench_*.py)) $(PYTEST_ARGS)

bench-ingest: setup
	$(BIN)/python -m pytest -m bench -s tests/bench/bench_ingest.py

bench-attribution: setup
	$(BIN)/python -m tests.bench.bench_attribution $(BENCH_ARGS)

# music21 brings the tunes; fluidsynth and fluid-soundfont-gm (Debian) play them.
bench-tunes: setup
	$(BIN)/python -m pip install --disable-pip-version-check --editable '.[bench]'
	$(BIN)/python -m tests.bench.bench_tunes $(BENCH_ARGS)

# Fetches Debian packages of music with apt; sox damages it, libchromaprint-tools (fpcalc) is measured beside it.
bench-recordings: setup
	$(BIN)/python -m tests.bench.bench_recordings $(BENCH_ARGS)

bench-gaming: setup
	$(BIN)/python -m tests.bench.bench_gaming
	$(BIN)/python -m tests.bench.bench_optimiser $(BENCH_ARGS)

bench-index: setup
	$(BIN)/python -m tests.bench.bench_index_scale $(BENCH_ARGS)

bench-payouts: setup
	$(BIN)/python -m pytest -m bench -s tests/bench/bench_payouts.py

# Full size takes an hour of CPU to make; SETTLE_BENCH_HOLDERS=100000 SETTLE_BENCH_EVENTS=1000000 is a tenth.
bench-statements: setup
	$(BIN)/python -m pytest -m bench -s tests/bench/bench_statements.py

bench-verify: setup
	$(BIN)/python -m pytest -m bench -s tests/bench/bench_verify.py

bench-service: setup
	$(BIN)/python -m pytest -m bench -s tests/bench/bench_service.py

bench-registry: setup
	$(BIN)/python -m pytest -m bench -s tests/bench/bench_registry.py

# Trains 118 small models the first time (13 minutes on a shared machine); INFLUENCE_DIR keeps them for the next run.
INFLUENCE_DIR ?= /tmp/settle-influence
bench-influence: setup
	$(BIN)/python -m pip install --disable-pip-version-check --quiet --editable '.[dev,bench]'
	$(BIN)/python -m tests.bench.influence.table --dir $(INFLUENCE_DIR)

bench-contracts: setup
	$(BIN)/python -m pytest -m bench -s tests/bench/bench_contracts.py

contracts: setup
	$(BIN)/python -m contracts.artifacts

# The verifier that runs in a browser, joined from service/web/static/verify.
verify-page: setup
	$(BIN)/python -m service.verify_page

# Before a release, never after it: later versions must open what stands in tests/golden/releases/VERSION.
golden: setup
	$(BIN)/python -m tests.release.keep

# The pages that are made: every command's help, the index of decision records.
docs: setup
	$(BIN)/python -m tests.docs.help
	$(BIN)/python -m tests.docs.decisions

# The README's screenshots, from a demo played for them; needs Chromium (Debian: chromium).
pictures: setup
	$(BIN)/python -m tests.docs.pictures

# Wheel, source archive, list of parts and digests of the commit HEAD in dist/; fails if two builds differ.
release: setup
	$(BIN)/python -m tests.release.publish

wheel: setup
	$(BIN)/python -m pip wheel --quiet --no-deps --wheel-dir dist .

clean:
	rm -rf build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache mutants settle-demo
