# Two commands for a newcomer: `make demo` and `make test`. Everything is installed into .venv and .clients.
SHELL := /bin/bash
PYTHON ?= python3
BIN := .venv/bin
CLIENTS := .clients
# Byte code is worth a factor of three at start-up; some machines switch it off.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help demo up test test-slow lint bench clients system coverage guide clean

help: ## this list
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

demo: .venv/installed ## install into .venv and run the main job end to end
	$(BIN)/sagewright demo

up: .venv/installed ## keep a server running (Ctrl-C ends it)
	$(BIN)/sagewright up

test: .venv/tested $(CLIENTS)/installed system ## install what the tests need and pass them
	$(MAKE) --no-print-directory lint
	$(BIN)/python -m pytest -m "not slow" -n 2 --dist loadscope --no-loadscope-reorder --durations=60 --durations-min=2

test-slow: .venv/tested $(CLIENTS)/installed system ## what is longer than CI can afford
	$(BIN)/python -m pytest -m slow

lint: .venv/tested ## types, style, layers
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: .venv/tested $(CLIENTS)/peers $(CLIENTS)/servers $(CLIENTS)/mlserver $(CLIENTS)/trainers ## the figures, as ratios measured in one run
	$(BIN)/python -m benchmarks

coverage: .venv/installed ## write docs/coverage.md anew
	$(BIN)/python tests/docs/coverage_page.py > docs/coverage.md.new
	mv docs/coverage.md.new docs/coverage.md

guide: .venv/installed ## write docs/guide/algorithms anew
	$(BIN)/python tests/docs/algorithm_pages.py

clients: $(CLIENTS)/installed

system: ## Debian packages that make more tests possible; skipped where that is not ours to decide
	@scripts/system-packages

.venv/installed: requirements/runtime.txt packages/sagewright/pyproject.toml packages/container/pyproject.toml packages/algorithms/pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --no-warn-script-location --disable-pip-version-check -r requirements/runtime.txt
	$(BIN)/python -m pip install --quiet --no-warn-script-location --disable-pip-version-check --no-deps --no-build-isolation -e packages/container -e packages/algorithms -e packages/sagewright
	@touch $@

.venv/tested: .venv/installed requirements/test.txt requirements/algorithms.txt
	$(BIN)/python -m pip install --quiet --no-warn-script-location --disable-pip-version-check torch==2.13.0
	$(BIN)/python -m pip install --quiet --no-warn-script-location --disable-pip-version-check -r requirements/algorithms.txt -r requirements/test.txt
	@touch $@

$(CLIENTS)/installed: requirements/sdk2.txt requirements/sdk3.txt requirements/cli.txt .venv/tested
	scripts/client-environments sdk2 sdk3 cli
	@touch $@

$(CLIENTS)/peers $(CLIENTS)/servers $(CLIENTS)/mlserver: $(CLIENTS)/%: requirements/%.txt .venv/tested
	scripts/client-environments $*
	@touch $@

$(CLIENTS)/trainers: requirements/trainers.txt .venv/tested
	test -x $@/bin/python || $(BIN)/python -m venv $@
	$@/bin/python -m pip install --quiet --no-warn-script-location --disable-pip-version-check torch==2.13.0
	scripts/client-environments trainers
	@touch $@

clean: ## remove what was installed
	rm -rf .venv $(CLIENTS)
