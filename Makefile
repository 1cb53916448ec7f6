# One verb each. `make repro` and `make test` are all that a fresh machine with Python and make needs.
#
#   make repro [RECIPE=file] [SET="a.b=value c.d=value"] [STAGE=name]   the pipeline; empty means unset
#   make GPU=1 ...                                                      with the GPU lock
PYTHON ?= python3
PORT ?= 5000
LOCK := $(if $(GPU),gpu,cpu)
READY := .venv/$(LOCK).ready
# "moved": the environment was made in another folder, or its Python is gone. Its scripts and the editable install have
# absolute paths, so in a copied or renamed checkout it runs the original's code, or nothing.
MOVED := $(shell test -z "$$(ls .venv/*.ready .venv/made_in 2>/dev/null)" || \
	{ test "$$(cat .venv/made_in 2>/dev/null)" = "$$(pwd -P)" && test -x .venv/bin/python; } || echo moved)
# One worker per core, at most four, as each may need 1.5 GB for TensorFlow. tests/conftest.py orders the test files.
SIDE_BY_SIDE := -n logical --maxprocesses 4 --dist loadfile --no-loadscope-reorder
export PATH := $(CURDIR)/.venv/bin:$(PATH)
export RECIPE SET STAGE
# If it is set, byte-code is not stored, and TensorFlow takes 10 s to import instead of 3.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: repro test test-fast coverage check drill bench format ui dashboard lock clean env moved
.DEFAULT_GOAL := repro

repro: $(READY)
	@python -m landscribe.cli.repro --recipe "$$RECIPE" --set "$$SET" --stage "$$STAGE"

test: $(READY)
	python -m pytest $(SIDE_BY_SIDE)

# The same, with the bound of pyproject.toml on what it covers. Apart, as it takes half as long again: up to Python 3.13
# coverage of branches slows down all code, TensorFlow's, MLflow's and SQLAlchemy's as well.
coverage: $(READY)
	coverage erase
	coverage run -m pytest $(SIDE_BY_SIDE)
	coverage combine --quiet
	coverage report

# The tests that neither train nor run the pipeline.
test-fast: $(READY)
	python -m pytest $(SIDE_BY_SIDE) -m "not slow and not drill"

# Slow end-to-end tests: every layout from the archive to the registry.
drill: $(READY)
	python -m pytest drills
	python -m pytest -m drill

# Measurements, each with its reference in the same run: make bench [CASE="discover_v1 split"]
bench: $(READY)
	@python -m benchmarks $(CASE)

check: $(READY)
	ruff check .
	ruff format --check .
	mypy
	lint-imports

format: $(READY)
	ruff check --fix .
	ruff format .

# The runs and the registry in the browser; MLflow's server, unless MLFLOW_TRACKING_URI names one: make ui [PORT=5000]
ui: $(READY)
	@python -m landscribe.registry.pages --port $(PORT)
	@case "$${MLFLOW_TRACKING_URI:-}" in http*) ;; \
	*) MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false MLFLOW_DISABLE_TELEMETRY=true mlflow server --workers 1 \
		--host 127.0.0.1 --port $(PORT) --backend-store-uri "$${MLFLOW_TRACKING_URI:-sqlite:///$(CURDIR)/mlflow.db}";; \
	esac

# The studies of the search: make dashboard [PORT=8080]
dashboard: PORT := 8080
dashboard: $(READY)
	@python -m landscribe.search.dashboard --port $(PORT)

# Pinned for Python 3.11 to 3.13 on every platform; no index is named, so that a mirror serves as well. `lowest` pins each
# bound of pyproject.toml at its lower end: the fast tests pass with it, so that the bounds are true.
LOCKS := uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate \
	--extra dev pyproject.toml

lock:
	$(LOCKS) -o requirements/cpu.txt
	$(LOCKS) --extra gpu -o requirements/gpu.txt
	$(LOCKS) --resolution lowest-direct -o requirements/lowest.txt

env: $(READY)

$(READY): requirements/$(LOCK).txt pyproject.toml $(MOVED)
	@test -w . || { echo "error: $(CURDIR) is read-only: expected an environment that was made in this folder; copy the" \
		"checkout, with cp -a, and run make in the copy" >&2; exit 1; }
	@test -z "$(MOVED)" || { echo "The environment in .venv was made in another folder or for another Python" \
		"($$(cat .venv/made_in 2>/dev/null || echo unknown)); it is made again"; rm -rf .venv; }
	@$(PYTHON) -c "import sys; sys.exit(None if (3, 11) <= sys.version_info < (3, 14) else \
		'expected Python 3.11 to 3.13; received %d.%d. Name one: make PYTHON=python3.12 ...' % sys.version_info[:2])"
	@echo "making the environment, 1 to 2 minutes"; rm -f .venv/*.ready; mkdir -p .venv; pwd -P >.venv/made_in
	@if command -v uv >/dev/null; then \
		uv venv --quiet --allow-existing --python "$(PYTHON)" .venv && \
		uv pip install --quiet --python .venv --require-hashes --compile-bytecode -r requirements/$(LOCK).txt && \
		uv pip install --quiet --python .venv --no-deps --no-build-isolation -e .; \
	else \
		$(PYTHON) -m venv .venv && \
		.venv/bin/python -m pip install --quiet --disable-pip-version-check --no-compile --require-hashes \
			-r requirements/$(LOCK).txt && \
		.venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e . && \
		{ .venv/bin/python -m compileall -q -j 0 .venv/lib >/dev/null || true; }; \
	fi
	@.venv/bin/python -m landscribe.tracking.relocation
	@touch $@

# Removes the outputs of the stages (the next run restores them from the cache) and the caches of tools. Archives, runs,
# the registry, the studies of the search, entries that have not reached MLflow yet, rows of measurements and .venv stay.
clean:
	rm -rf data/*.json data/*.parquet data/code data/records search models scores reports metrics dvc_plots
	rm -rf $(filter-out .landscribe/search .landscribe/outbox .landscribe/bench,$(wildcard .landscribe/*))
	rm -rf .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .coverage .coverage.* htmlcov
