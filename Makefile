# Everything runs in .venv, which is made from Python 3.11 or newer and requirements.lock alone.

PYTHON := $(shell for candidate in python3.13 python3.12 python3.11 python3.14 python3; do \
	$$candidate -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { command -v $$candidate; break; }; done)
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.DEFAULT_GOAL := help
.PHONY: help demo test torture check lint coverage bench lock clean

help:
	@echo "make demo    a marketplace day on a new ledger, replayed and audited"
	@echo "make test    the tests"
	@echo "make torture kills, power cuts, random money and histories in full, with a table; SEED=n chooses what is done"
	@echo "make check   formatting, lint, types, the order of imports, and the tests with coverage"
	@echo "make bench   the benchmarks, each figure with its baselines"
	@echo "make lock    requirements.lock anew"

$(READY): requirements.lock pyproject.toml
	@test -n "$(PYTHON)" || { echo "Tallystick needs Python 3.11 or newer: no such python3 was found" >&2; exit 1; }
	@"$(PYTHON)" -c 'import venv, ensurepip' 2>/dev/null || { \
		echo "$(PYTHON) cannot make a virtual environment: install its venv module (on Debian: apt install python3-venv)" >&2; exit 1; }
	@test -x $(BIN)/python || "$(PYTHON)" -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $(READY)

demo: $(READY)
	@$(BIN)/tallystick demo

test: $(READY)
	$(BIN)/python -m pytest

torture: $(READY)
	$(BIN)/python -m tests.torture $(if $(SEED),--seed $(SEED))

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/pyright --project pyproject.toml

coverage: $(READY)
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report --fail-under=90

check: lint coverage

bench: $(READY)
	$(BIN)/tallystick bench

lock:
	@test -n "$(PYTHON)" || { echo "Tallystick needs Python 3.11 or newer: no such python3 was found" >&2; exit 1; }
	@test -x $(VENV)/lock/bin/uv || { "$(PYTHON)" -m venv $(VENV)/lock && $(VENV)/lock/bin/python -m pip install --quiet uv; }
	$(VENV)/lock/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
		--no-emit-find-links --no-annotate --custom-compile-command "make lock" \
		--extra cli --extra dev --output-file requirements.lock pyproject.toml

clean:
	rm -rf $(VENV) .coverage .coverage.* .pytest_cache .ruff_cache .hypothesis .import_linter_cache dist
