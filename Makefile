# `make repro` runs the pipeline, `make test` the checks. Both set up .venv on first use.

PYTHON ?= python3.11
READY := .venv/.ready

export PATH := $(CURDIR)/.venv/bin:$(PATH)

# What `make compare` compares: git revisions, DVC experiments, or the workspace.
A ?= HEAD
B ?= workspace
# What `make models` trains on, and where `make demo` writes.
DATA ?= ../shared/data
DEMO ?= data/demo
# Columns of `dvc exp show` that are no headline figure and no changed parameter.
DETAILS := .*json:.*\.|best\.|Created|(data|models|reports|stages|urbanseg)(/|$$)|metrics$$

# Files in the order of their names: those of tests/pipeline have few tests, take longest, and are to come first.
PYTEST := OMP_NUM_THREADS=1 pytest -n 3 --dist loadfile --no-loadscope-reorder --durations 15

.PHONY: repro experiments compare metrics dataset models demo docs push retrain ui test fast unit protocol pipeline test-slow test-qgis check types lint setup lock clean

repro: setup            ## run what is out of date, end to end
	python -m ci.before_dvc dvc repro

experiments: setup      ## what each experiment changed, and its headline figures
	python -m ci.before_dvc dvc exp show --only-changed --drop '$(DETAILS)'

compare: setup          ## scores of B against A: make compare A=main B=better-loss
	python -m ci.compare $(A) $(B)

metrics: setup          ## the headline scores of each city
	python -m ci.metrics

dataset: setup          ## the steps from a published data set to its scores: make dataset NAME=ben_ge_800
	@python -m ci.dataset $(NAME)

models: setup           ## train the models that ship, in copies of the project: make models DATA=../shared/data
	python -m ci.models $(DATA) $(NAMES)

demo: setup             ## render a town and map it by a model that ships; says where the report is
	python -m ci.demo $(DEMO)

docs: setup             ## the documentation as a site, in site/
	NO_MKDOCS_2_WARNING=1 mkdocs build --strict --quiet

push: setup             ## share results and the run cache on the DVC remote
	python -m ci.share

retrain: setup          ## what CI does: fetch, reproduce, compare, share, judge
	python -m ci.retrain $(RETRAIN)

ui:                     ## build the review desk's page from ui/ into urbanseg/review/page; needs node and npm
	npm --prefix ui ci --ignore-scripts --no-audit --no-fund
	npm --prefix ui run check
	npm --prefix ui test
	npm --prefix ui run build

test: lint              ## lint, then types and tests side by side
	$(MAKE) --no-print-directory --jobs 2 types fast

fast: setup
	$(PYTEST) -m "not slow"

unit protocol pipeline: setup   ## a part of the tests
	$(PYTEST) -m "not slow" tests/$@

test-slow: setup        ## the long tests: every stage killed in every way, the whole retraining loop, more examples of each law
	$(PYTEST) -m slow
	$(PYTEST) -m "hypothesis and not slow" --hypothesis-profile thorough

test-qgis: AS_ROOT = $(shell [ "$$(id -u)" = 0 ] || echo sudo)
test-qgis: setup        ## files and projects in real QGIS, which apt installs: a gigabyte
	QT_QPA_PLATFORM=offscreen /usr/bin/python3 -c "import qgis.core" 2>/dev/null \
		|| { $(AS_ROOT) apt-get update -qq && $(AS_ROOT) apt-get install -qq --no-install-recommends python3-qgis qgis-providers; }
	URBANSEG_NEEDS_QGIS=1 pytest tests/qgis

check: lint types       ## lint and types alone

types: setup
	mypy

lint: setup
	ruff check
	ruff check --preview --select PLW1514 urbanseg stages ci bench  # text has an encoding, whatever the locale
	ruff format --check
	actionlint
	zizmor --offline --quiet .github/workflows
	hadolint Dockerfile
	check-jsonschema --builtin-schema vendor.gitlab-ci .gitlab-ci.yml
	check-jsonschema --builtin-schema vendor.compose-spec compose.yaml

setup: $(READY)

$(READY): requirements.txt requirements-uv.txt pyproject.toml
	test -x .venv/bin/python || $(PYTHON) -m venv .venv
	.venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-uv.txt
	uv pip sync --quiet --compile-bytecode requirements.txt
	uv pip install --quiet --no-deps --no-build-isolation --editable .
	python -m ci.plots_page
	touch $@

lock:                   ## compile requirements.in to requirements.txt, with the digest of every file
	for name in requirements requirements-uv; do \
		.venv/bin/uv pip compile $$name.in --python-version 3.11 --generate-hashes --no-emit-index-url \
			--no-annotate --no-header --quiet --output-file $$name.txt; \
	done

clean:                  ## forget the environment; data and cache stay
	rm -rf .venv
