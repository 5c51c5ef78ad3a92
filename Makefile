SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

PYTHON ?= $(shell python3.11 --version >/dev/null 2>&1 && echo python3.11 || echo python3)
PYTEST_ARGS ?= -n 3 --dist loadscope --no-loadscope-reorder

# The tests start hundreds of processes: none of them is to compile every module anew.
unexport PYTHONDONTWRITEBYTECODE

VENV := .venv
BIN := $(VENV)/bin
LOCK_COMMAND := $(BIN)/uv pip compile --quiet --universal --generate-hashes --no-header --extra install

.PHONY: help
help: ## Show what can be made
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  %-14s %s\n", $$1, $$2}'

.PHONY: setup
setup: $(VENV)/.setup ## Install mohr into .venv, with the locked run-time packages

.PHONY: setup-dev
setup-dev: $(VENV)/.setup-dev ## The same, with the tools for checks and tests

.PHONY: demo
demo: setup ## Run a whole tender with made-up parties
	$(BIN)/mohr demo

.PHONY: test
test: ## Everything: lint, types, layers, tests, and the built wheel
	tools/debian-packages.sh
	$(MAKE) lint layers
	$(MAKE) --jobs=3 types pytest wheel

# Types and the wheel keep one core busy each for a while, and the tests often wait: so they go beside them.
.PHONY: pytest
pytest: setup-dev ## The tests alone: PYTEST_ARGS="tests/unit/kernel"
	$(BIN)/python -m pytest $(PYTEST_ARGS)

.PHONY: wheel
wheel: setup-dev ## The built wheel starts in a fresh environment
	tools/smoke-wheel.sh

.PHONY: bench
bench: setup-dev ## Measure, each figure beside its bare primitives: ARGS="--only envelope --quick"
	$(BIN)/python -m bench.run $(ARGS)

.PHONY: lint
lint: setup-dev ## Style and formatting
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

.PHONY: types
types: setup-dev ## Static types
	$(BIN)/mypy

.PHONY: layers
layers: setup-dev ## Which room may import which
	$(BIN)/lint-imports

.PHONY: services
services: ## Start a Kafka broker and a PostgreSQL cluster for development, on loopback
	$(PYTHON) -m tools.services start

.PHONY: services-stop
services-stop: ## Stop exactly these two
	$(PYTHON) -m tools.services stop

.PHONY: lock
lock: setup-dev ## Write the lock files anew from pyproject.toml
	$(LOCK_COMMAND) --output-file requirements.lock pyproject.toml
	$(LOCK_COMMAND) --extra dev --constraints requirements.lock --output-file requirements-dev.lock pyproject.toml

.PHONY: clean
clean: ## Remove .venv, builds and caches
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# An environment that works is kept: the stamps below only add to it.
$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "mohr needs Python 3.11 or newer; name one with: make PYTHON=/path/to/python" >&2; exit 2; }
	$(PYTHON) -m venv $(VENV)

# Only whether it exists matters: the target is a link to an interpreter of any age.
$(VENV)/.setup: requirements.lock pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --require-hashes --requirement requirements.lock
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	touch $@

$(VENV)/.setup-dev: requirements-dev.lock $(VENV)/.setup
	$(BIN)/python -m pip install --quiet --require-hashes --requirement requirements-dev.lock
	touch $@
