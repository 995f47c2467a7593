# Developer verbs. `make` alone lists them.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
SOAK   := 40

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-pyspark soak check proto bench docs

help:  ## list the verbs
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# What users need is installed apart from what developers need, so that `make demo` is quick.
$(VENV)/.user-stamp: pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[fast]'
	@touch $@

$(VENV)/.dev-stamp: $(VENV)/.user-stamp
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[fast,dev]'
	@touch $@

# The peers live apart: their dependencies are heavy and not ours.
.venv-bench/.stamp: benchmarks/requirements.txt
	@test -x .venv-bench/bin/python || $(PYTHON) -m venv .venv-bench
	@.venv-bench/bin/python -m pip install --quiet --disable-pip-version-check -r $<
	@touch $@

# So does the real PySpark, which some tests compare ours with.
.venv-pyspark/.stamp: tests/pyspark/requirements.txt pyproject.toml
	@test -x .venv-pyspark/bin/python || $(PYTHON) -m venv .venv-pyspark
	@.venv-pyspark/bin/python -m pip install --quiet --disable-pip-version-check -r $< --editable .
	@touch $@

setup: $(VENV)/.dev-stamp  ## make .venv with everything that tests and checks need

demo: $(VENV)/.user-stamp  ## start a small cluster and run two driver scripts on it
	@$(BIN)/python examples/demo.py

test: $(VENV)/.dev-stamp  ## run the tests
	@$(BIN)/python -m pytest

test-pyspark: .venv-pyspark/.stamp  ## run the tests beside the real PySpark, which needs Java
	@.venv-pyspark/bin/python -m pytest tests/pyspark

soak: $(VENV)/.dev-stamp  ## try SOAK (40) times as many random stories as the tests do
	@$(BIN)/python -m pytest -m seeds --soak $(SOAK)

check: $(VENV)/.dev-stamp  ## lint, types, layers, generated files
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/python proto/generate.py --check
	@$(BIN)/python docs/generate.py --check
	@$(BIN)/python -m pytest tests/house

proto: $(VENV)/.dev-stamp  ## regenerate minimesos/proto from proto/
	@$(BIN)/python proto/generate.py

docs: $(VENV)/.dev-stamp  ## regenerate docs/configuration and docs/cli.md
	@$(BIN)/python docs/generate.py

bench: $(VENV)/.user-stamp .venv-bench/.stamp  ## measure us and the peers side by side, and Spark's modes (see benchmarks/README.md)
	@$(BIN)/python benchmarks/run.py
	@$(BIN)/python benchmarks/on_mesos.py
