# 'make help' lists the targets. Everything is installed in .venv and .engines (and Chromium by apt-get on Debian, as root).

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
# Otherwise each of the many processes that tests start would compile the library again.
unexport PYTHONDONTWRITEBYTECODE

VENV := .venv
BIN := $(VENV)/bin
PY := $(BIN)/python
PIP := $(PY) -m pip --disable-pip-version-check --no-input -qq
PYTEST_ARGS ?= -n 3 --dist worksteal
DEMO_ARGS ?=
SOAK_SECONDS ?= 60
STRESS_RUNS ?= 10
FUZZ_CASES ?= 1000000
BENCH_ARGS ?=

# PYTHON=... chooses the interpreter; the default is the first of these that is 3.11 or newer.
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11 python; do \
	if $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then echo $$p; break; fi; done)

.PHONY: help demo test stress check docs format unasync bench faults race soak fuzz cdk setup engine browser clean

help: ## show this list
	@grep -E '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /  make \1\t/' | expand -t 16

demo: $(VENV)/.local-stamp ## run the demo on a local engine; needs Python and pip (DEMO_ARGS=... adds options)
	@$(BIN)/torii-dynamodb demo $(DEMO_ARGS)

test: setup ## set everything up and run all tests (PYTEST_ARGS=... replaces the options)
	@$(BIN)/pytest $(PYTEST_ARGS)

# Three workers per core keep the machine busy, which shows what depends on timing.
stress: setup ## run all tests in their long form, ten times, with more workers than cores (STRESS_RUNS=10)
	@for run in $$(seq $(STRESS_RUNS)); do \
		TORII_LONG=1 $(BIN)/pytest -n $$((3 * $$(nproc))) --dist worksteal || { echo "run $$run of $(STRESS_RUNS) failed" >&2; exit 1; }; \
	done

check: $(VENV)/.dev-stamp ## check lint, format, types, generated code and layers
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(PY) tools/unasync.py --check
	@$(BIN)/mypy
	@PYRIGHT_PYTHON_IGNORE_WARNINGS=1 $(BIN)/pyright
	@$(BIN)/pytest tests/unit/test_layers.py
	@$(MAKE) --no-print-directory docs

docs: $(VENV)/.dev-stamp ## build the documentation into site/; open site/index.html
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet

format: $(VENV)/.dev-stamp ## format the code, and fix what ruff can fix
	@$(BIN)/ruff check --fix-only --quiet .
	@$(BIN)/ruff format .

unasync: $(VENV)/.dev-stamp ## generate _sync from _async
	@$(PY) tools/unasync.py

bench: setup ## run the benchmarks side by side (BENCH_ARGS=--quick for a short run, --help for the options)
	@$(PY) benchmarks/run.py $(BENCH_ARGS)

faults: setup ## run the fault matrix and write docs/fault-matrix.md from the results
	@$(PY) tools/fault_matrix.py --record

race: setup ## race 10,000 revocations against checks with a cache, and the long form of its faults (ten minutes)
	@TORII_LONG=1 $(BIN)/pytest tests/cache/test_race.py tests/cache/test_lost.py tests/faults/_async/test_cache.py

soak: setup ## kill the engine under load for a minute, and check that no acknowledged write is lost (SOAK_SECONDS=60)
	@$(PY) -m tests.faults.crash $(SOAK_SECONDS)

fuzz: setup ## try a million random and mutated inputs on every parser (FUZZ_CASES=1000000)
	@$(PY) -m tests.fuzz.fuzz $(FUZZ_CASES)

# The CDK is not installed for the tests, because it takes 200 MB. It needs Node.js.
cdk: $(VENV)/.dev-stamp ## synthesise examples/cdk_app with the real CDK, and lint the template
	@test -x .cdk/bin/python || { $(PYTHON) -m venv .cdk && .cdk/bin/python -m pip install -qq -r examples/cdk_app/requirements.txt -e '.[mail]'; }
	@cd examples/cdk_app && CDK_OUTDIR=$(CURDIR)/.cdk/out \
		CDK_CONTEXT_JSON='{"sender": "no-reply@example.com", "identity": "example.com", "code": "../aws_lambda"}' \
		../../.cdk/bin/python app.py
	@$(BIN)/cfn-lint --ignore-checks W3005 -- .cdk/out/Accounts.template.json

setup: $(VENV)/.dev-stamp engine browser ## install all packages, the test engines and the browser

# Installs redis-server by apt-get if we are root on Debian (otherwise Valkey or Redis must be there).
engine: $(VENV)/.dev-stamp
	@$(PY) tools/dynoxide.py --prefix .engines
	@$(PY) tools/valkey.py

# Installs Chromium by apt-get if we are root on Debian (otherwise it must be there), and an OpenID provider and axe from npm.
browser: $(VENV)/.dev-stamp
	@$(PY) tools/npm_packages.py --prefix .engines/npm
	@$(PY) tools/chromium.py

clean: ## remove everything that the other targets made
	rm -rf $(VENV) site .cdk .engines .bench .demo .mypy_cache .ruff_cache .pytest_cache .hypothesis build dist htmlcov .coverage
	find . -name __pycache__ -type d -not -path './.git/*' -prune -exec rm -rf {} +

$(VENV)/.venv-stamp:
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer was not found; name one: make $(MAKECMDGOALS) PYTHON=/path/to/python" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { echo "$(PYTHON) has no working venv module (on Debian: apt-get install python3-venv)" >&2; exit 1; }
	@touch $@

# pyproject.toml lists the packages: when it changes, they are installed again. '.[all]' includes '.[local]'.
$(VENV)/.local-stamp: $(VENV)/.venv-stamp pyproject.toml
	@echo "Installing torii-dynamodb into $(VENV) ..."
	@$(PIP) install -e '.[local]'
	@touch $@

$(VENV)/.dev-stamp: $(VENV)/.venv-stamp pyproject.toml
	@echo "Installing torii-dynamodb and the development tools into $(VENV) ..."
	@$(PY) tools/dev_packages.py > $(VENV)/dev.txt
	@$(PIP) install -e '.[all]' -r $(VENV)/dev.txt
	@touch $@ $(VENV)/.local-stamp
