# The two commands of the README are `make demo` and `make test`. All a machine needs is make and Python 3.11+.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed
PIP    := $(BIN)/python -m pip --disable-pip-version-check

# Where it is set, every start of pytest rewrites and compiles all of its plugins anew: five seconds each.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: install demo test smoke quick lint check format lock bench faults clean

install: $(STAMP)  ## build .venv when it is missing or stale

$(STAMP): pyproject.toml requirements.txt requirements-dev.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "couponry needs Python 3.11 or newer; name one: make PYTHON=python3.12 install")'
	@echo "building $(VENV) (once, and again when requirements change)" >&2
	@$(PYTHON) -m venv $(VENV)
	@$(PIP) install --quiet --require-hashes -r requirements-dev.txt
	@PYTHONWARNINGS=ignore $(PIP) install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

demo: install  ## the whole system on local servers with real input
	@$(BIN)/couponry demo

# Tests wait more than they compute: three keep two cores busy. A small share at a time, so that none is left with the
# long ones.
WORKERS ?= 3
test: install  ## every test of the service, on real servers that all workers share; what is marked `alone` runs last, by itself
	@$(BIN)/python -m pytest --numprocesses $(WORKERS) --maxschedchunk 4 --ignore tests/bench/test_smoke.py

smoke: install  ## every benchmark once, as small as it goes: two minutes that say nothing of the service
	@$(BIN)/python -m pytest tests/bench

quick: install  ## the rules and the wire models, without a server: under 10 s
	@$(BIN)/python -m pytest --quiet -p no:schemathesis tests/domain tests/schemas

lint: install
	@$(BIN)/ruff check --output-format concise --quiet
	@$(BIN)/ruff format --check --quiet
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo
	@$(BIN)/python -m schemas.generate --check
	@$(BIN)/python -m services.api.generate --check

check: lint  ## lint, format, types, import rules; then the house's own rules, generated files among them
	@$(BIN)/python -m pytest -q tests/house

format: install  ## what check asks for, as far as a tool can do it
	@$(BIN)/python -m schemas.generate
	@$(BIN)/python -m services.api.generate
	@$(BIN)/ruff check --fix
	@$(BIN)/ruff format

# Hashed pins for exactly what pyproject.toml asks for; nothing of the machine that made them is written down.
COMPILE = env -u PIP_FIND_LINKS -u PIP_INDEX_URL -u PIP_EXTRA_INDEX_URL CUSTOM_COMPILE_COMMAND="make lock" \
	$(BIN)/python -m piptools compile --quiet --generate-hashes --allow-unsafe --strip-extras \
	--no-emit-index-url --no-emit-find-links --no-emit-trusted-host --no-emit-options pyproject.toml
lock:  ## pin again: `make lock UPGRADE=--upgrade` takes newer versions
	@test -x $(BIN)/pip-compile || { $(PYTHON) -m venv $(VENV) && $(PIP) install --quiet pip-tools; }
	@$(COMPILE) $(UPGRADE) --output-file requirements.txt
	@$(COMPILE) $(UPGRADE) --build-deps-for wheel --only-build-deps --output-file requirements-build.txt
	@$(COMPILE) $(UPGRADE) --extra dev --extra local --constraint requirements.txt --output-file requirements-dev.txt

bench: install  ## the benchmark: one table
	@$(BIN)/python -m bench

# For options: `make faults FAULTS="--only failover --seed 7"`, or see `.venv/bin/python -m tests.faults --help`.
faults: install  ## everything that may happen to it, under load: one table, 1 when a promise is broken
	@$(BIN)/python -m tests.faults $(FAULTS)

clean:  ## everything that was built; a running `couponry up` is stopped first by its owner
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis
