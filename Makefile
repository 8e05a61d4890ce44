# Everything here needs Python 3.11 to 3.14 and make; the rest is installed into $(VENV).
#   make demo    run the web-frontend template on its real load into runs/, and print what happened
#   make test    run the tests
#   make lint    ruff (lint and format) and mypy --strict
#   make bench   the benchmarks, then the guardrails
#   make gate    the performance gate: this checkout against where it left $(BASE)
#   make docs    write what is generated: the CLI reference, the schemas, tables and outputs in docs/
#   make clean   remove what this file made (runs/ stays)

PYTHON ?= python3
VENV ?= .venv
PYTEST_ARGS ?=
BENCH_ARGS ?=
BASE ?= origin/main
# Where `make demo` writes; a new run folder each time.
RUNS ?= runs

ifeq ($(OS),Windows_NT)
BIN := $(VENV)/Scripts
else
BIN := $(VENV)/bin
endif
PIP := $(BIN)/python -m pip install --quiet --quiet --disable-pip-version-check

# A stamp says that its extras are installed as pyproject.toml asks: the second call of a target is quick.
READY := $(VENV)/.ready
READY_TEST := $(VENV)/.ready-test
READY_DEV := $(VENV)/.ready-dev

.DEFAULT_GOAL := help
.PHONY: help demo test lint bench guard gate docs clean

help:
	@sed -n 's/^#   //p' Makefile

demo: $(READY)
	$(BIN)/flowtime run --template-id web-frontend --mode simulation --out $(RUNS)

test: $(READY_TEST)
	$(BIN)/python -m pytest $(PYTEST_ARGS)

lint: $(READY_DEV)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy --strict src kernels

bench: $(READY_TEST)
	$(BIN)/python -m pytest benchmarks $(BENCH_ARGS)
	$(MAKE) guard

guard: $(READY_TEST)
	$(BIN)/flowtime perf guard benchmarks/perf.toml

gate: $(READY_TEST)
	$(BIN)/flowtime perf run benchmarks/perf.toml --base $(BASE)

docs: $(READY)
	$(BIN)/python -m flowtime.cli.reference --write
	$(BIN)/python -m flowtime.orchestration.schemas --write
	$(BIN)/python docs/generate.py --write

clean:
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .benchmarks
	find src kernels tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/.made:
	@$(PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 11) and 'flowtime needs Python 3.11 or later: make PYTHON=python3.12 ...')"
	$(PYTHON) -m venv $(VENV)
	@touch $@

$(READY): $(VENV)/.made pyproject.toml
	$(PIP) -e .
	@touch $@

$(READY_TEST): $(VENV)/.made pyproject.toml
	$(PIP) -e ".[test]"
	@touch $@ $(READY)

$(READY_DEV): $(VENV)/.made pyproject.toml
	$(PIP) -e ".[dev]"
	@touch $@ $(READY) $(READY_TEST)
