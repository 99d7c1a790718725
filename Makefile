# The few commands people type. Everything happens in .venv; nothing outside the checkout is touched,
# except Debian packages that `make test` may install when it runs as root.

PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
ARGS   ?=
# Two processes of tests, each file in one of them: most tests wait for a homeserver. ARGS="-n 0" for one alone.
TWO    := -n 2 --dist loadfile

.PHONY: help demo test test-matrix test-hosts check lint bench clean

help: ## This list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 14

$(VENV)/.demo: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Préau needs Python 3.11 or newer; this is " + sys.version.split()[0] + ". Try: make demo PYTHON=python3.12")'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing Préau and Synapse into $(VENV) (a while, the first time) …"
	@$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[demo]'
	@touch $@

$(VENV)/.dev: pyproject.toml $(VENV)/.demo
	@$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@

demo: $(VENV)/.demo ## Two federated académies on this machine; ARGS="--check" plays the story
	@$(BIN)/preau demo $(ARGS)

check: $(VENV)/.dev ## Style, types, layers: seconds
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/yamllint --strict deploy roles inventories
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache > $(VENV)/layers.txt || { cat $(VENV)/layers.txt; exit 1; }
	@echo "check: style, types and layers hold"

lint: $(VENV)/.dev ## The playbooks and roles by their own linters: a minute
	@PATH="$(abspath $(BIN)):$$PATH" $(BIN)/ansible-lint --offline -q
	@echo "lint: playbooks and roles hold"

test: $(VENV)/.dev ## The checks and the whole suite; installs what it needs where it may
	@bash tests/needs.sh
	@$(MAKE) --no-print-directory check lint
	@$(BIN)/python -m pytest $(TWO) $(ARGS)

test-matrix: $(VENV)/.dev ## Everybody tries everything with everybody, on every path: minutes
	@bash tests/needs.sh
	@PREAU_MATRIX=whole $(BIN)/python -m pytest tests/everything tests/guard/test_fuzz*.py tests/guard/test_laws*.py -n 2 --dist loadgroup $(ARGS)

test-hosts: HOW ?= quickly
test-hosts: $(VENV)/.dev ## Académies on real systemd hosts, broken and mended; root, Debian. HOW=plainly: as an operator
	@bash tests/needs-hosts.sh
	@PREAU_TEST_HOSTS=$(HOW) $(BIN)/python -m pytest tests/hosts -n 2 --dist loadgroup $(ARGS)

bench: $(VENV)/.dev ## Measures the budgets of the design and writes docs/benchmarks.md
	@bash tests/needs.sh
	@$(BIN)/python -m tests.bench $(ARGS)

clean: ## Removes what the commands above made
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis
