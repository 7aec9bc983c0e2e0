# Needs Python 3.11+, make and git. Every verb builds .venv from hashed requirements first.
PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check
SEEDS ?= 2000
FIRST ?= 1000

.PHONY: demo gcp metrics ner test live soak check bench contracts terraform-check image-test lock clean

demo: .venv/.run
	@$(BIN)/evalforge demo

# What a store in Firestore needs besides.
gcp: .venv/.gcp

# What metrics of runs need besides: EVALFORGE_METRICS=datadog or otlp.
metrics: .venv/.metrics

# What finding names in prose needs besides: EVALFORGE_NER=on.
ner: .venv/.ner

test: .venv/.dev
	$(BIN)/python -m pytest -n 2

# Against your own Datadog (DD_API_KEY, DD_APP_KEY, DD_SITE) and Firestore (EVALFORGE_LIVE_STORE): a few hundred calls at most.
live: .venv/.dev
	$(BIN)/python -m pytest -m live tests/live

# As many seeds of the simulator as asked: make soak SEEDS=10000 FIRST=1000
soak: .venv/.dev
	PYTHONPATH=tests $(BIN)/python -m helpers.simulation --first $(FIRST) --seeds $(SEEDS) --processes 2

check: .venv/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(MAKE) --no-print-directory terraform-check

# What can be held of deploy/terraform without the provider: form, decisions, and arguments by the provider's published schema.
PLAN := terraform -chdir=deploy/terraform/plan
terraform-check: .venv/.dev
	@if command -v terraform >/dev/null; then \
	  terraform fmt -check -recursive -diff deploy/terraform && $(PLAN) init -backend=false >/dev/null && $(PLAN) test; \
	else echo "NOT CHECKED: terraform is not installed, so that nobody looked at the form and the decisions of deploy/terraform" >&2; fi
	$(BIN)/python -m scripts.terraform_schema

bench: .venv/.dev .venv-bench/.presidio
	PYTHONPATH=tests $(BIN)/python -m benchmarks

contracts: .venv/.dev
	$(BIN)/python -m scripts.contracts

# The container image, built and run for real: Linux, root, buildah, debootstrap.
image-test: .venv/.dev
	PYTHONPATH=tests $(BIN)/python -m scripts.image

.venv/pyvenv.cfg:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "EvalForge needs Python 3.11 or newer, this is " + sys.version.split()[0] + "; set PYTHON=/path/to/python3")'
	$(PYTHON) -m venv .venv

.venv/.run: .venv/pyvenv.cfg requirements/run.txt pyproject.toml
	$(PIP) install --require-hashes -r requirements/run.txt
	$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

.venv/.gcp: .venv/.run requirements/gcp.txt
	$(PIP) install --require-hashes -r requirements/gcp.txt
	@touch $@

.venv/.metrics: .venv/.run requirements/metrics.txt
	$(PIP) install --require-hashes -r requirements/metrics.txt
	@touch $@

.venv/.ner: .venv/.run requirements/ner.txt
	$(PIP) install --require-hashes -r requirements/ner.txt
	@touch $@

.venv/.dev: .venv/.run requirements/dev.txt
	$(PIP) install --require-hashes -r requirements/dev.txt
	@touch $@

# What the benchmark compares with, apart: it needs a package that ours replaces by a lighter one of the same modules.
.venv-bench/.presidio: requirements/bench.txt
	$(PYTHON) -m venv .venv-bench
	.venv-bench/bin/python -m pip --quiet --disable-pip-version-check install --require-hashes -r requirements/bench.txt
	@touch $@

# For maintainers: needs uv. Writes hashes and no hosts; a later file has the versions of those before it, but bench, which is apart.
LOCK := uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links --custom-compile-command "make lock"
lock:
	$(LOCK) requirements/build.in -o requirements/run.txt
	$(LOCK) --extra gcp -c requirements/run.txt -o requirements/gcp.txt
	$(LOCK) --extra datadog --extra otel -c requirements/run.txt -c requirements/gcp.txt -o requirements/metrics.txt
	$(LOCK) --extra ner -c requirements/run.txt -c requirements/gcp.txt -c requirements/metrics.txt -o requirements/ner.txt
	$(LOCK) requirements/build.in --extra dev -c requirements/run.txt -c requirements/gcp.txt -c requirements/metrics.txt -c requirements/ner.txt -o requirements/dev.txt
	$(subst pyproject.toml,requirements/bench.in,$(LOCK)) -o requirements/bench.txt

clean:
	rm -rf .venv .venv-bench .demo .pytest_cache .mypy_cache .ruff_cache .hypothesis
