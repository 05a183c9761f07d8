# Everything on a fresh machine: `make leaderboard` and `make test` create .venv and install into it.
# Installing is repeated only when pyproject.toml or constraints.txt changed.

VENV ?= .venv
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
  $$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null \
  && echo $$p && break; done)
BENCH_JOBS ?= $(shell getconf _NPROCESSORS_ONLN 2>/dev/null || echo 1)
TESTS ?= tests

BIN := $(abspath $(VENV))/bin
INSTALL := $(VENV)/bin/python -m pip install --quiet --no-compile --disable-pip-version-check -c constraints.txt
export PATH := $(BIN):$(PATH)
export BENCH_JOBS
export PYTHONUTF8 := 1
export DVC_NO_ANALYTICS := 1
# one thread per process: the same bits on every machine of a kind, and no fight between jobs
TESTING := OMP_NUM_THREADS=1 python -m pytest

.DEFAULT_GOAL := help
.PHONY: help leaderboard test lint format types test-slow test-conformance test-gpu benchmark profile gpu clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' Makefile

leaderboard: $(VENV)/.installed ## install, run the default suite, write results/leaderboard.{md,csv,html}
	python -m dvc repro

test: lint types ## install, linters, type checker, pytest
	$(TESTING) -n $(BENCH_JOBS) $(TESTS)

lint: $(VENV)/.installed-dev ## ruff, rules and format
	python -m ruff check .
	python -m ruff format --check .

types: $(VENV)/.installed-dev ## mypy on the package
	python -m mypy

format: $(VENV)/.installed-dev ## let ruff rewrite
	python -m ruff check --fix .
	python -m ruff format .

test-slow: $(VENV)/.installed-dev ## the pipeline end to end
	$(TESTING) -m slow $(TESTS)

test-conformance: $(VENV)/.installed-dev ## the suites of nflows and zuko on ours; see tests/conformance
	$(INSTALL) -e '.[conformance]'
	$(TESTING) -m slow tests/conformance

test-gpu: $(VENV)/.installed-dev ## what needs a CUDA device
	$(TESTING) -m gpu $(TESTS)

benchmark: $(VENV)/.installed-dev ## pytest-benchmark: results/profile/benchmarks.{json,md}
	$(TESTING) -m benchmark --benchmark-only --benchmark-json .benchmarks/latest.json $(TESTS)/benchmarks
	python -m bench.profile.benchmarks .benchmarks/latest.json results/profile/benchmarks.json

profile: $(VENV)/.installed-dev ## profile the log-det kernels, write results/profile/
	python -m bench profile --write

gpu: $(VENV)/.installed-dev ## on a machine with a GPU: its tests, then the profile of the kernels there
	$(TESTING) -m gpu $(TESTS)
	python -m bench profile --device cuda --graph --write

clean: ## remove the environment and caches; results, checkpoints and DVC's cache stay
	rm -rf $(VENV) .pytest_cache .ruff_cache .mypy_cache build dist *.egg-info
	find bench baselines tests -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/bin/python:
	@test -n "$(PYTHON)" || { echo "error: no Python 3.11, 3.12 or 3.13 on the PATH. Install one, or name it: make PYTHON=/path/to/python3.12" >&2; exit 3; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: $(VENV)/bin/python pyproject.toml constraints.txt
	$(INSTALL) -e .
	@touch $@

$(VENV)/.installed-dev: $(VENV)/bin/python pyproject.toml constraints.txt
	$(INSTALL) -e '.[dev,peers,gpu,data]'
	@touch $@ $(VENV)/.installed
