# What one does with Callboard. Each target sets up what it needs; a second call skips what is done.
.DEFAULT_GOAL := help
.PHONY: help run test check bench vendor chromium requirements clean
SHELL := /bin/sh
PYTHON ?= python3
BIN := .venv/bin

help: ## say what there is to do
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-14s%s\n", $$1, $$2}'

run: vendor ## start everything here: http://localhost:8000, or PORT=…; Ctrl-C stops it
	@exec $(BIN)/python -m console up --with-parent

test: .venv/dev vendor chromium ## the whole suite on real Postgres, Valkey, SMTP and Chromium
	@bad=0; \
	 $(PYTEST) $(PARALLEL) -m "not alone" $(ARGS) || [ $$? = $(NONE) ] || bad=1; \
	 $(PYTEST) -m alone $(ARGS) || [ $$? = $(NONE) ] || bad=1; \
	 exit $$bad

check: .venv/dev ## format, lint, layers, types, templates, dependency audit
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports
	$(BIN)/mypy
	$(BIN)/djlint templates --check --quiet
	$(BIN)/djlint templates --lint --quiet
	$(BIN)/python .ci/audit.py requirements.txt

bench: .venv/dev vendor ## measure what is promised, beside a peer in the same run
	@for script in bench/[a-z]*.py; do echo "== $$script"; $(BIN)/python -m bench.$$(basename $$script .py) || exit 1; done

requirements: .venv/dev ## pin anew what requirements.in and requirements-dev.in ask for
	$(BIN)/pip-compile $(PIN) --upgrade requirements.in
	$(BIN)/pip-compile $(PIN) --upgrade --allow-unsafe requirements-dev.in

clean: ## remove the environment and the caches; data in var stay
	rm -rf .venv static/vendor .mypy_cache .ruff_cache .pytest_cache .import_linter_cache

# Files are shared out among workers, each with servers of its own. Many tests wait more than they work, so
# 3 workers keep 2 cores busy; ARGS="-n 0" does without. What measures time comes afterwards, alone.
PYTEST := $(BIN)/python -m pytest
PARALLEL := -n 3 --dist loadfile --no-loadscope-reorder
# What pytest says when ARGS asks for nothing on this side.
NONE := 5

PIN := --quiet --strip-extras --no-emit-index-url --no-emit-find-links --no-header

# A stamp for each set of packages: its date tells whether pip has anything to do.
.venv/made:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Callboard needs Python 3.11 or newer; say which: make $(MAKECMDGOALS) PYTHON=python3.12" >&2; exit 1; }
	@echo "making .venv"
	@rm -rf .venv
	@$(PYTHON) -m venv .venv || \
	  { echo "python can't make a venv: install its venv package (Debian: python3-venv)" >&2; exit 1; }
	@touch $@

.venv/runtime: requirements.txt | .venv/made
	@echo "installing requirements.txt"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	@touch $@

.venv/dev: requirements-dev.txt .venv/runtime
	@echo "installing requirements-dev.txt"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $@

vendor: .venv/runtime
	@$(BIN)/python console/vendor.py

chromium:
	@sh .ci/chromium
