# Each target makes or refreshes .venv from the lock when it must.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
PIP := $(BIN)/python -m pip --disable-pip-version-check
# On Linux the index's own torch brings gigabytes of CUDA along; this is the CPU build.
ifeq ($(shell uname -s),Linux)
TORCH ?= torch==2.13.0+cpu
else
TORCH ?= torch==2.13.0
endif
TORCH_INDEX ?= https://download.pytorch.org/whl/cpu

.PHONY: help install demo test lint format bench bench-bank crash-test dev lock clean

help:
	@echo "make demo    watch a frozen model learn (about 10 minutes; no key, no network after set-up)"
	@echo "make test    run the tests"
	@echo "make install make .venv from the lock     make lint    ruff and mypy"
	@echo "make format  ruff's formatter             make bench   overhead of the graph"
	@echo "make dev     LangGraph Studio's server    make lock    resolve the ranges anew"
	@echo "make bench-bank  the case bank at 1,000 to 100,000 cases    make crash-test  250 kills"
	@echo "ARGS hands options to the last two: make bench-bank ARGS=--million"

install: $(STAMP)

$(STAMP): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Memento needs Python 3.11 or later: make PYTHON=python3.12 ..."; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) install --quiet --no-deps "$(TORCH)" || $(PIP) install --quiet --no-deps --index-url $(TORCH_INDEX) "$(TORCH)"
	$(PIP) install --quiet --no-deps -r requirements.lock
	$(PIP) install --quiet --no-deps --no-build-isolation -e .
	@touch $@

demo: install
	$(BIN)/memento demo

test: install
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist worksteal

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: install
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: install
	$(BIN)/python bench/graph_overhead.py

bench-bank: install
	$(BIN)/python bench/bank.py $(ARGS)

crash-test: install
	$(BIN)/python bench/crash.py $(ARGS)

dev: install
	$(BIN)/langgraph dev --no-browser

lock:
	$(PYTHON) scripts/lock.py

clean:
	rm -rf $(VENV) build *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .langgraph_api
