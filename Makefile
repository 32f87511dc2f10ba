# Two commands do all the set-up: `make demo` shows the main job, `make test` runs the tests.
# `make help` lists the rest. Needs Python 3.11 or later (`make PYTHON=python3.12 demo` chooses one) and the network once.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
CDS_TEST_DATA ?= ../shared/data

.DEFAULT_GOAL := help

.PHONY: help
help: ## Lists the commands
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1|/' | while IFS='|' read -r name what; do printf '  make %-14s %s\n' "$$name" "$$what"; done

.PHONY: demo
demo: $(VENV)/.run ## Starts the service, fires order-select for an invented patient, shows the cards
	@$(BIN)/cds-service demo

.PHONY: serve
serve: $(VENV)/.run ## Serves on loopback for trying out, two workers, without caller authentication
	@$(BIN)/cds-service serve --development

.PHONY: test
test: $(VENV)/.dev ## Runs all tests that a machine without services can run
	@$(BIN)/python -m pytest -q

.PHONY: fuzz
fuzz: $(VENV)/.dev ## Throws a minute of random requests at a running service with a real PostgreSQL
	@CDS_FUZZ_SECONDS=60 $(BIN)/python -m pytest -q -s tests/operating/test_fuzz.py

.PHONY: test-spark
test-spark: $(VENV)/.spark ## Runs the tests of the worklist on a local Spark cluster (installs 500 MB once; needs Java 17)
	@$(BIN)/python -m pytest -q tests/worklist/test_spark.py

.PHONY: bench
bench: $(VENV)/.run ## Measures a call beside a Flask that does nothing; writes docs/performance.md (10 minutes)
	@$(BIN)/python -m bench.call

.PHONY: bench-instructions
bench-instructions: $(VENV)/.run ## Counts the instructions of a call, and fails where they are not as committed (valgrind)
	@$(BIN)/python -m bench.instructions

.PHONY: bench-worklist
bench-worklist: $(VENV)/.run ## Measures the worklist of 10,000 and 100,000 patients against parsing the same files
	@$(BIN)/python bench/worklist.py

.PHONY: check
check: $(VENV)/.dev ## Checks style, types, import directions, dependencies, the knowledge folder, generated documents
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check -q .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo
	@$(BIN)/deptry --no-ansi .
	@$(BIN)/cds-service check-cards
	@$(BIN)/python -m tests.spec.write_ledger --check
	@$(BIN)/python -m tests.reading.write_evidence --check

.PHONY: ledger
ledger: $(VENV)/.dev ## Writes docs/conformance.md from the requirements and the tests that check them
	@$(BIN)/python -m tests.spec.write_ledger

.PHONY: evidence
evidence: $(VENV)/.dev ## Writes docs/report-reading.md: how the labelled reports are read
	@$(BIN)/python -m tests.reading.write_evidence

.PHONY: screenshots
screenshots: $(VENV)/.dev ## Writes docs/images from a real service (needs Chromium)
	@$(BIN)/python -m tests.browser.screenshots

.PHONY: fix
fix: $(VENV)/.dev ## Formats the code and repairs what can be repaired
	@$(BIN)/ruff check --fix -q . || true
	@$(BIN)/ruff format -q .

.PHONY: lock
lock: ## Writes the hash-locked requirements anew (needs uv on the PATH)
	uv pip compile pyproject.toml --group build $(LOCK) -o requirements/run.txt
	uv pip compile pyproject.toml --group build --group dev $(LOCK) -o requirements/dev.txt
	uv pip compile pyproject.toml --extra spark --constraint requirements/dev.txt $(LOCK) -o requirements/spark.txt

LOCK := --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --no-emit-index-url --quiet --upgrade

.PHONY: clean
clean: ## Removes the environment and everything generated
	rm -rf $(VENV) var build *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or later is needed; set PYTHON=..."; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { echo "python3 -m venv failed; on Debian and Ubuntu: apt-get install python3-venv"; exit 1; }

$(VENV)/.run: requirements/run.txt pyproject.toml | $(VENV)/bin/python
	@echo "Installing the locked requirements into $(VENV) (once)"
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/run.txt
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.dev: requirements/dev.txt $(VENV)/.run
	@echo "Installing the locked requirements of the tests (once)"
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	@touch $@

$(VENV)/.spark: requirements/spark.txt $(VENV)/.dev
	@echo "Installing Spark (once)"
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/spark.txt
	@touch $@
