# 'make help' lists the targets. Everything lives in .venv and .engines; nothing is installed elsewhere.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

VENV := .venv
BIN := $(VENV)/bin
PY := $(BIN)/python
PIP := $(PY) -m pip --disable-pip-version-check --no-input -qq
PYTEST_ARGS ?= -n 2 --dist worksteal
DEMO_ARGS ?=
SOAK_SECONDS ?= 60
STRESS_RUNS ?= 10
FUZZ_CASES ?= 1000000
BENCH_ARGS ?=

# PYTHON=... chooses the interpreter; else the first of these that is 3.11 or newer.
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11 python; do \
	if $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then echo $$p; break; fi; done)

.PHONY: help demo test stress check format unasync bench faults soak fuzz setup engine browser clean

help: ## show this list
	@grep -E '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /  make \1\t/' | expand -t 16

demo: $(VENV)/.local-stamp ## the main job on a local engine; needs Python and pip (DEMO_ARGS=... adds options)
	@$(BIN)/torii-dynamodb demo $(DEMO_ARGS)

test: setup ## set everything up and run all tests (PYTEST_ARGS=... replaces the options)
	@$(BIN)/pytest $(PYTEST_ARGS)

# Three workers a core are the load: what rests on who comes first shows then.
stress: setup ## all tests in their long form, ten times, with more workers than cores (STRESS_RUNS=10)
	@for run in $$(seq $(STRESS_RUNS)); do \
		TORII_LONG=1 $(BIN)/pytest -n $$((3 * $$(nproc))) --dist worksteal || { echo "run $$run of $(STRESS_RUNS) failed" >&2; exit 1; }; \
	done

check: $(VENV)/.dev-stamp ## lint, format, types, generated code, layers
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(PY) tools/unasync.py --check
	@$(BIN)/mypy
	@PYRIGHT_PYTHON_IGNORE_WARNINGS=1 $(BIN)/pyright
	@$(BIN)/pytest tests/unit/test_layers.py

format: $(VENV)/.dev-stamp ## format the code, fix what can be fixed
	@$(BIN)/ruff check --fix-only --quiet .
	@$(BIN)/ruff format .

unasync: $(VENV)/.dev-stamp ## generate _sync from _async
	@$(PY) tools/unasync.py

bench: setup ## the benchmarks, side by side (BENCH_ARGS=--quick tries them; --help lists the options)
	@$(PY) benchmarks/run.py $(BENCH_ARGS)

faults: setup ## run the fault matrix and write docs/fault-matrix.md from what it saw
	@$(PY) tools/fault_matrix.py --record

soak: setup ## kill the engine under load for a minute, and check that nothing acknowledged is lost (SOAK_SECONDS=60)
	@$(PY) -m tests.faults.crash $(SOAK_SECONDS)

fuzz: setup ## a million random and mutated inputs against every parser (FUZZ_CASES=1000000)
	@$(PY) -m tests.fuzz.fuzz $(FUZZ_CASES)

setup: $(VENV)/.dev-stamp engine browser ## the virtual environment, all packages, the test engine, the browser

engine: $(VENV)/.dev-stamp
	@$(PY) tools/dynoxide.py --prefix .engines

# Chromium by apt-get where we are root on Debian, else it must be there; an OpenID provider and axe from npm.
browser: $(VENV)/.dev-stamp
	@$(PY) tools/npm_packages.py --prefix .engines/npm
	@$(PY) tools/chromium.py

clean: ## remove everything that was made here
	rm -rf $(VENV) .engines .bench .demo .mypy_cache .ruff_cache .pytest_cache .hypothesis build dist htmlcov .coverage
	find . -name __pycache__ -type d -not -path './.git/*' -prune -exec rm -rf {} +

$(VENV)/.venv-stamp:
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed; name it: make $(MAKECMDGOALS) PYTHON=/path/to/python" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { echo "$(PYTHON) has no working venv module (on Debian: apt-get install python3-venv)" >&2; exit 1; }
	@touch $@

# pyproject.toml is the list of packages: a change in it installs again. '.[all]' holds '.[local]'.
$(VENV)/.local-stamp: $(VENV)/.venv-stamp pyproject.toml
	@echo "Installing torii-dynamodb into $(VENV) ..."
	@$(PIP) install -e '.[local]'
	@touch $@

$(VENV)/.dev-stamp: $(VENV)/.venv-stamp pyproject.toml
	@echo "Installing torii-dynamodb and the development tools into $(VENV) ..."
	@$(PY) tools/dev_packages.py > $(VENV)/dev.txt
	@$(PIP) install -e '.[all]' -r $(VENV)/dev.txt
	@touch $@ $(VENV)/.local-stamp
