# `make` lists the targets. The two that matter: `make run` and `make test`.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Where the code is. Folders appear here when they appear in the tree.
CODE := $(wildcard exporter dashboards alerting tests bench)
TEST_GROUPS := $(wildcard tests/unit) $(wildcard tests/contract) $(wildcard tests/e2e)
PYTEST_ARGS ?= --numprocesses=logical --dist=loadfile

export PIP_DISABLE_PIP_VERSION_CHECK := 1

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help run test check format docs dashboards env dev tools bench clean rules

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: env ## start the exporter with a demo at http://127.0.0.1:9877, until Ctrl-C
	@scripts/run-with-demo $(BIN)

test: dev tools check ## install what tests need, check, run all tests: fast ones first
	@for group in $(TEST_GROUPS); do \
	  echo "== $$group"; \
	  $(BIN)/pytest $(PYTEST_ARGS) "$$group" || exit; \
	done

check: dev ## lint, format, types, import directions, rules, shell scripts, image
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy $(CODE)
	$(BIN)/lint-imports
	$(BIN)/python -m dashboards --check
	$(BIN)/python -m alerting --check
	@command -v promtool >/dev/null || { echo "promtool is missing: make tools" >&2; exit 1; }
	promtool check rules prometheus/rules/*.yml
	$(BIN)/shellcheck $$(grep -lE '^#!.*sh$$' .ci/* scripts/* postgres/*)
	$(BIN)/hadolint Dockerfile

format: dev ## rewrite the code as `make check` wants it
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: dev ## rewrite the generated parts of README.md and docs/
	$(BIN)/python -m exporter.catalogue.document

rules: dev ## write the rules of Prometheus and their documents anew, prometheus/rules
	$(BIN)/python -m alerting

dashboards: dev ## write the Grafana dashboards anew, provisioning/dashboards/Pipelines
	$(BIN)/python -m dashboards

env: $(VENV)/server.stamp ## a virtual environment in .venv with the server

dev: $(VENV)/dev.stamp ## the same with everything that checks and tests need

tools: ## install PostgreSQL, Prometheus, Alertmanager, Pushgateway and Chromium for the tests
	@scripts/install-test-tools

bench: dev ## measure
	$(BIN)/python -m bench

clean: ## remove the virtual environment and all caches; databases stay
	rm -rf $(VENV) build dist .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache .schemathesis
	find $(CODE) -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/python:
	@scripts/make-venv $(PYTHON) $(VENV)

$(VENV)/server.stamp: pyproject.toml | $(BIN)/python
	@echo "Installing Python packages (server)"
	@$(BIN)/python -m pip install --quiet --editable '.[server]'
	@touch $@

$(VENV)/dev.stamp: pyproject.toml | $(BIN)/python
	@echo "Installing Python packages (dev)"
	@$(BIN)/python -m pip install --quiet --editable '.[dev]'
	@touch $(VENV)/server.stamp $@
