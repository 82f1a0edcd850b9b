# Every target installs what it needs into .venv and starts what it needs by itself. `make help` lists them.
SHELL := /bin/sh
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

VENV := .venv
BIN := $(VENV)/bin
PY := $(BIN)/python
# One more than there are cores: many tests wait for other processes.
WORKERS ?= 3
ARGS ?=

# The first that runs, is 3.11 or newer, and can make a virtual environment with pip in it.
FIND_PYTHON = for p in $(PYTHON) python3.11 python3.12 python3.13 python3.14 python3 /usr/bin/python3; do \
	"$$p" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && { echo "$$p"; break; }; done

.PHONY: help demo test verify chaos bench lint docs format audit lock install install-dev install-bench clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' Makefile | sed -E 's/^([a-z-]+):.*## /\1|/' | awk -F'|' '{printf "  make %-12s %s\n", $$1, $$2}'

demo: install ## start everything, send real traffic, show what became of it (ONCE=1 exits after the table, RESET=1 begins anew)
	@ONCE='$(ONCE)' RESET='$(RESET)' $(PY) -m project.demo $(ARGS)

test: install-dev ## the tests that count every day (at most 8 minutes on 2 cores)
	@$(PY) -m pytest -n $(WORKERS) --dist loadgroup -m 'not long and not browser' $(ARGS)

verify: install-dev ## all tests, the long ones and those in a browser too
	@$(PY) -m pytest -n $(WORKERS) --dist loadgroup $(ARGS)

chaos: install-dev ## kill everything, again and again: build/chaos.json (QUICK=1 in 5 minutes, ONLY=kill_loop,..., SEED=1)
	@QUICK='$(QUICK)' ONLY='$(ONLY)' SEED='$(SEED)' $(PY) -m tests.chaos

bench: install-bench ## measure against a bare client, Celery, RQ and others: build/bench.json (QUICK=1 in 5 minutes, ONLY=broadcast,..., SEED=1)
	@QUICK='$(QUICK)' ONLY='$(ONLY)' SEED='$(SEED)' SCALE='$(SCALE)' $(PY) -m tests.benchmarks

# DJANGO_DEBUG: linting needs no production secrets, even where DATABASE_URL is set.
lint: export DJANGO_DEBUG = true
lint: export CARILLON_ENV_FILE = /dev/null
lint: install-dev ## style, types, layers, size limits, forgotten migrations, Django's own checks
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(PY) .ci/size_limits.py notifications project
	$(PY) -W ignore::RuntimeWarning manage.py makemigrations --check --dry-run
	$(PY) manage.py check

# -W: whatever Sphinx warns of is an error, so a link that leads nowhere is one.
docs: install-dev ## the documentation as a site: build/docs/index.html
	@$(PY) -m sphinx -W --keep-going -q -b html -d build/doctrees docs build/docs
	@echo "build/docs/index.html"

format: install-dev ## put the code into its shape
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

audit: install-dev ## ask the advisory database about every package of the lock (says so where it cannot be reached)
	@$(PY) .ci/audit.py $(ARGS)

# Every file of every pinned version, so that it installs on any machine; asks the package index, nothing else does.
lock: $(PY) ## make requirements.lock anew from requirements.txt, with the hashes that the package index tells
	@rm -rf build/lock && $(PY) -m venv build/lock && build/lock/bin/pip install --quiet --disable-pip-version-check pip-tools==7.6.2
	@build/lock/bin/pip-compile --quiet --generate-hashes --allow-unsafe --no-strip-extras --no-annotate --no-header \
		--output-file build/requirements.lock requirements.txt
	@{ sed -n '1,/^$$/p' requirements.lock; sed -e '/^--/d' -e '/^$$/d' build/requirements.lock; } > build/lock/new
	@mv build/lock/new requirements.lock

install: $(VENV)/.installed ## install what the project runs on
install-dev: $(VENV)/.installed-dev ## install what tests and lint need on top
install-bench: $(VENV)/.installed-bench ## install the sink and the rivals of the benchmarks on top

$(PY):
	@python=$$($(FIND_PYTHON)); \
	if [ -z "$$python" ]; then \
		echo "Carillon needs Python 3.11 or newer with its venv module, and found none." >&2; \
		echo "Debian, Ubuntu: apt install python3 python3-venv. Elsewhere: make PYTHON=/path/to/python3.11 ..." >&2; \
		exit 1; \
	fi; \
	echo "Making $(VENV) with $$python ..."; \
	"$$python" -m venv --clear $(VENV)

# Exactly the files that were locked. A mirror that serves other files needs INSTALL='-r requirements.txt'.
INSTALL ?= --require-hashes -r requirements.lock
$(VENV)/.installed: requirements.lock | $(PY)
	@echo "Installing what the project runs on into $(VENV) ..."
	@$(PY) -m pip install --quiet --disable-pip-version-check $(INSTALL)
	@touch $@

$(VENV)/.installed-dev: requirements-dev.txt requirements.txt $(VENV)/.installed | $(PY)
	@echo "Installing what tests and lint need into $(VENV) ..."
	@$(PY) -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $@

$(VENV)/.installed-bench: requirements-bench.txt requirements-dev.txt requirements.txt $(VENV)/.installed-dev | $(PY)
	@echo "Installing what benchmarks need into $(VENV) ..."
	@$(PY) -m pip install --quiet --disable-pip-version-check --no-deps -r requirements-bench.txt
	@touch $@

clean: ## remove all that was made here: the virtual environment, built files, the embedded services and their data
	@if [ -x $(PY) ] && [ -d .services ]; then $(PY) -m project.embedded; fi
	rm -rf $(VENV) build dist .services .ruff_cache .mypy_cache .pytest_cache *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
