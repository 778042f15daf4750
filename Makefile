# Everything runs with make and Python alone. `make help` lists the targets.
#
#   make test ARGS="-k retry"        any argument of pytest
#   make PYTHON=python3.12 test      a Python of your choice for a new .venv
#   make WORKERS=8 test              more test processes

SHELL := /bin/sh
VENV := .venv
BIN := $(VENV)/bin
WORKERS ?= 2
ARGS ?=
PYTHON ?=
export PIP_DISABLE_PIP_VERSION_CHECK := 1

# $(call environment,folder,Python): makes it, or leaves nothing behind.
environment = python="$(2)"; test -n "$$python" || python=$$(sh tools/find-python) || exit 1; \
	"$$python" -m venv $(1) || { rm -rf $(1); exit 1; }
# Dependency groups need pip 25.1.
pip_with_groups = $(1)/bin/python -m pip install --quiet "pip>=25.1"

.NOTPARALLEL:
.PHONY: help demo test test-all check lint types layers house docs format bench build clean

help:  ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(VENV)/.runtime  ## a workflow worth watching
	$(BIN)/nodeloom demo $(ARGS)

test: $(VENV)/.test  ## every test
	$(BIN)/python -m pytest -n $(WORKERS) $(ARGS)

check: lint types layers house test  ## what CI runs: the five below, then every test

lint: $(VENV)/.dev  ## ruff: rules and format
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.dev  ## mypy and pyright, strict
	$(BIN)/mypy
	$(BIN)/basedpyright

layers: $(VENV)/.dev  ## imports go down only, no cycles
	$(BIN)/lint-imports

house: $(VENV)/.dev  ## sizes, names and habits of the house
	$(BIN)/python tools/house.py

docs: $(VENV)/.test  ## run the examples in the documentation
	$(BIN)/python -m pytest tests/docs $(ARGS)

format: $(VENV)/.dev  ## let ruff repair what it can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

test-all:  ## every test, on every Python that is here
	@failed=; ran=; for version in 3.11 3.12 3.13; do \
	    python=$$(sh tools/find-python $$version 2>/dev/null) || { echo "== Python $$version: not here"; continue; }; \
	    echo "== Python $$version"; ran="$$ran $$version"; \
	    $(MAKE) --no-print-directory test VENV=.venv-$$version PYTHON="$$python" || failed="$$failed $$version"; \
	done; \
	test -n "$$ran" || { echo "No Python from 3.11 to 3.13 found."; exit 1; }; \
	test -z "$$failed" || { echo "Failed on$$failed."; exit 1; }; \
	echo "Passed on$$ran."

bench: .venv-bench/.bench  ## nodeloom beside the limit and its peers
	.venv-bench/bin/python benchmarks/run.py $(ARGS)

build: $(VENV)/.runtime  ## sdist and wheel in dist/
	$(BIN)/python -m pip install --quiet build
	$(BIN)/python -m build --outdir dist .

clean:  ## remove what the other targets made
	rm -rf .venv .venv-* .servers build dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# A stamp says what an environment holds; it is older than pyproject.toml when it must be brought up to date.
$(BIN)/python:
	@$(call environment,$(VENV),$(PYTHON))

$(VENV)/.runtime: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --editable .
	@touch $@

$(VENV)/.test: pyproject.toml | $(BIN)/python
	$(call pip_with_groups,$(VENV))
	$(BIN)/python -m pip install --quiet --editable . --group test
	@touch $(VENV)/.runtime $@

$(VENV)/.dev: pyproject.toml | $(BIN)/python
	$(call pip_with_groups,$(VENV))
	$(BIN)/python -m pip install --quiet --editable . --group dev
	@touch $(VENV)/.runtime $(VENV)/.test $@

.venv-bench/bin/python:
	@$(call environment,.venv-bench,$(PYTHON))

.venv-bench/.bench: pyproject.toml benchmarks/requirements.txt | .venv-bench/bin/python
	.venv-bench/bin/python -m pip install --quiet --editable . --requirement benchmarks/requirements.txt
	@touch $@
