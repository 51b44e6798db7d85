# Everything a clone needs, and nothing but Python 3.11 to start from.

PYTHON  ?= python3
EXAMPLE ?= graphs/examples/explain-failures.yaml
WORKERS ?= $(shell $(PYTHON) -c 'import os; print(max(2, min(8, os.cpu_count() or 2)))' 2>/dev/null)

# uv does not read pip's settings, so it is told which index pip would ask.
INDEX = $${UV_DEFAULT_INDEX:-$${PIP_INDEX_URL:-$$(.venv/bin/python -m pip config get global.index-url 2>/dev/null)}}
UV    = UV_DEFAULT_INDEX="$(INDEX)" .venv/bin/uv pip
PIP   = .venv/bin/python -m pip install -q --disable-pip-version-check
LOCK  = $(UV) compile -q --upgrade --universal --python-version 3.11 \
        --generate-hashes --no-emit-index-url --no-annotate --no-header

# Too long for `make bench`, or in need of emulators: started by name.
CLOUD = bench/cloud.py bench/cloud_calls.py
ASIDE = bench/mutants.py bench/simulate.py bench/api.py $(CLOUD)

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help run test lint emulators chaos bench bench-api bench-cloud mutants lock

help: ## Say what can be made here
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1	\2/p' $(MAKEFILE_LIST) | expand -t 20

run: .venv/ready ## Run a workflow to its end: make run EXAMPLE=file.yaml
	@.venv/bin/assay run $(EXAMPLE)

test: lint ## Check everything: lint first, then every test
	@.venv/bin/pytest -q -n $(WORKERS) --dist worksteal

lint: .venv/ready ## Check style, types and who may import whom
	@.venv/bin/ruff check -q .
	@.venv/bin/ruff format -q --check . || { echo 'To format: .venv/bin/ruff format .'; exit 1; }
	@.venv/bin/mypy
	@said=$$(.venv/bin/lint-imports) || { echo "$$said"; exit 1; }

emulators: .venv/ready ## Run Google's Firestore and Pub/Sub emulators until Ctrl-C
	@.venv/bin/python -m tests.emulators

chaos: .venv/ready ## Kill a thousand executions, then workers in the cloud, and see how all ends
	@.venv/bin/python -m tests.durability.chaos
	@.venv/bin/python -m tests.chaos.play

bench: .venv/ready ## Measure, beside the reference in the same run
	@for script in $(filter-out $(ASIDE),$(wildcard bench/[a-z]*.py)); do \
		test -e "$$script" || { echo 'No benchmarks yet: see bench/README.md'; break; }; \
		.venv/bin/python "$$script" || exit 1; \
	done

bench-api: .venv/ready ## Measure a server over HTTP, beside the least there could be
	@.venv/bin/python bench/api.py

bench-cloud: .venv/ready ## Measure on Google's Firestore and Pub/Sub emulators
	@for script in $(CLOUD); do .venv/bin/python "$$script" || exit 1; done

mutants: .venv/ready ## Plant bugs in the engine, and see that its tests notice each
	@.venv/bin/python bench/mutants.py

lock: .venv/ready ## Pin the newest versions that fit, with their hashes
	@$(LOCK) pyproject.toml --group dev --extra google --extra mcp --extra slack -o requirements/dev.txt
	@$(LOCK) pyproject.toml --extra google -c requirements/dev.txt -o requirements/run.txt
	@echo hatchling | $(LOCK) - -c requirements/dev.txt -o requirements/build.txt
	@echo uv | $(LOCK) - -o requirements/uv.txt

# pip is slower than uv, but knows every way its user may have set it up and
# needs no cache; so it starts, ends, and stands in.
.venv/ready: pyproject.toml requirements/uv.txt requirements/dev.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
		echo 'Assay needs Python 3.11 or newer, and "$(PYTHON)" is not.' >&2; \
		echo 'Install one (https://www.python.org/downloads/), then name it:' >&2; \
		echo '  make $(or $(MAKECMDGOALS),run) PYTHON=python3.12' >&2; exit 1; }
	@echo 'Setting up .venv (once, about a minute) ...'
	@.venv/bin/python -c 'import pip, sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
		|| $(PYTHON) -m venv --clear .venv
	@$(PIP) --require-hashes -r requirements/uv.txt
	@$(UV) install -q --python .venv --require-hashes -r requirements/dev.txt \
		|| { echo 'uv could not; pip tries ...'; $(PIP) --require-hashes -r requirements/dev.txt; }
	@$(PIP) --no-deps --no-build-isolation -e .
	@touch $@
