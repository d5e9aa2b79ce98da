# `make demo` and `make test` need Python 3.11, make and a package index; they make .venv themselves.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: help install demo serve test test-slow sanitize invariances fuzz torture lint release-check format bench paper docs docs-serve pictures clean

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

install: $(VENV)/core  ## egem in .venv; run it as .venv/bin/egem

demo: $(VENV)/demo  ## learn ten digits from four examples each; pictures in egem-demo/
	$(BIN)/egem demo --out egem-demo

serve: $(VENV)/web  ## the page to train classes by drawing, in your browser
	$(BIN)/egem serve

test: $(VENV)/dev  ## the test suite, without the long checks
	$(BIN)/pytest -n auto --maxprocesses 4 --dist loadfile

test-slow: $(VENV)/dev  ## the long checks
	XLA_FLAGS= $(BIN)/pytest -m slow

sanitize: $(VENV)/dev  ## the native code's tests under GCC's address and undefined-behaviour sanitizers
	$(BIN)/python benchmarks/sanitize.py

invariances: $(VENV)/dev  ## what must change nothing, 1,000 examples of each
	$(BIN)/pytest tests/test_invariances.py --hypothesis-profile=thorough --hypothesis-show-statistics

fuzz: $(VENV)/dev  ## 200,000 wrong models and 50,000 wrong data files; guided by coverage with atheris
	$(BIN)/python benchmarks/fuzz.py models --runs 200000
	$(BIN)/python benchmarks/fuzz.py data --runs 50000

torture: $(VENV)/dev  ## kill 300 processes that save and 30 that fit
	$(BIN)/python benchmarks/torture.py save --times 300
	$(BIN)/python benchmarks/torture.py fit --times 30

release-check: $(VENV)/dev  ## wheel and sdist, built and installed in clean environments; licences
	$(BIN)/python benchmarks/release.py

lint: $(VENV)/dev  ## style, layers and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports --no-cache
	$(BIN)/pyright

format: $(VENV)/dev  ## put the style right
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/bench  ## speed, then accuracy, beside others, resumable; data in EGEM_DATA_DIR
	$(BIN)/python benchmarks/speed.py
	$(BIN)/python benchmarks/accuracy.py

paper: $(VENV)/dev  ## the published table and figures, resumable; EGEM_DATA_DIR says where the data are
	$(BIN)/egem reproduce --out docs/paper

docs: $(VENV)/docs  ## this documentation as a site, in site/
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

docs-serve: $(VENV)/docs  ## the same on http://127.0.0.1:8000, built anew as files change
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs serve --strict

pictures: $(VENV)/dev  ## the documentation's pictures and the page's, recorded in chromium; letters need EGEM_DATA_DIR
	$(BIN)/python docs/make_pictures.py
	$(BIN)/python benchmarks/pictures.py page

clean:  ## remove .venv and what was made
	rm -rf $(VENV) egem-demo dist site .pytest_cache .ruff_cache .hypothesis

$(VENV)/python-ready:
	$(PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 11) and 'egem needs Python 3.11 or later; say make PYTHON=python3.11')"
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	@touch $@

KERNEL := hatch_build.py $(wildcard src/egem/runtime/kernel/*.?pp src/egem/runtime/kernel/*.cc)

$(VENV)/core: $(VENV)/python-ready pyproject.toml $(KERNEL)
	$(BIN)/python -m pip install --quiet -e .
	@touch $@

$(VENV)/demo: $(VENV)/core
	$(BIN)/python -m pip install --quiet -e '.[demo]'
	@touch $@

$(VENV)/web: $(VENV)/core
	$(BIN)/python -m pip install --quiet -e '.[web]'
	@touch $@

$(VENV)/docs: $(VENV)/core
	$(BIN)/python -m pip install --quiet -e '.[docs]'
	@touch $@

$(VENV)/bench: $(VENV)/dev
	$(BIN)/python -m pip install --quiet -e '.[bench]'
	@touch $@

$(VENV)/dev: $(VENV)/python-ready pyproject.toml $(KERNEL)
	$(BIN)/python -m pip install --quiet -e '.[dev]'
	@touch $@ $(VENV)/core $(VENV)/demo $(VENV)/web
