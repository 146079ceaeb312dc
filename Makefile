# Needs Python 3.11 or newer and make; everything else goes into .venv.

PYTHON ?= python3
BIN := .venv/$(if $(filter Windows_NT,$(OS)),Scripts,bin)
STAMP := .venv/.installed

.DEFAULT_GOAL := help
.PHONY: help install demo check test lint format bench gpu docs clean

help:  ## list the targets
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## */\t/' | expand -t 10

install: $(STAMP)  ## make .venv with everything in it

# Again only when the dependencies or the tested versions have changed.
$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and \
	  f"Python 3.11 or newer is needed, {sys.version.split()[0]} found: make PYTHON=/path/to/python")'
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@echo "installing into .venv: a few minutes, once"
	@$(BIN)/python -m pip install -qq --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@

demo: install  ## learn a phantom cohort, show the result, and open it to correct; four minutes
	@$(BIN)/crln demo --out demo --overwrite $$(test -t 0 && test -t 1 && test -z "$$CI" && echo --review)

check: lint  ## lint and the fast tests, under a minute
	$(BIN)/python -m pytest -q -n logical --maxprocesses 4 -m "not slow"

test: install  ## all tests and the coverage of src/
	$(BIN)/python -m pytest -q -n logical --maxprocesses 4 --dist loadfile --cov=crln --cov-report=term:skip-covered --cov-fail-under=90

lint: install  ## style, types, and the direction of imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

format: install  ## put the code into its style
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: install  ## speed and memory, 20 minutes (PART="step la": that part)
	@$(BIN)/python benchmarks $(if $(PART),--only "$(PART)")

gpu: install  ## methods and prediction on a CUDA device, ten minutes
	@$(BIN)/python benchmarks/gpu.py --json gpu.json

docs: install  ## the documentation as pages, in site/
	@$(BIN)/python docs/_generate
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet
	@echo "open site/index.html"

clean:  ## remove what make has made
	rm -rf .venv site demo .coverage .coverage.* .mypy_cache .pytest_cache .ruff_cache .import_linter_cache
