# The front door: every action is a target here, and CI calls the same ones.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-builtin-rules --no-print-directory

PYTHON ?= python3
VENV := .venv
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)

export DBT_PROJECT_DIR := dbt
export DBT_PROFILES_DIR := dbt
export DBT_LOG_PATH ?= logs
export DO_NOT_TRACK := 1

# Settings come from the environment, then from .env.
WITH_SETTINGS := $(if $(wildcard .env),dotenv run --no-override --)
# make and the shell of a recipe do not know what is in .env: a recipe that needs a setting
# calls this, or leaves it to the command.
setting = $(or $($1),$(if $(WITH_SETTINGS),$(shell $(VENV)/bin/dotenv get $1 2>/dev/null)))
# With workload identity each command gets a fresh token of the GitHub Actions job.
WITH_TOKEN = $(if $(filter workload_identity,$(call setting,SNOWFLAKE_AUTHENTICATOR)),python -m snowflake_setup with-token --)
# The warehouse's file and dbt's logs can be read by their owner only.
DBT = umask 077; $(WITH_SETTINGS) $(WITH_TOKEN) python -m sandbox.with_warehouse -- dbt

DOCS ?= data/docs
REPORT ?= data/report
SITE ?= data/site
# DRY_RUN=1: say what would be done, and do nothing.
DRY := $(if $(filter-out 0,$(DRY_RUN)),--dry-run)
# VERIFY=1: check every landed file too.
VERIFY_ := $(if $(filter-out 0,$(VERIFY)),--verify)
# CONFIRM=1, ALSO_LINKED=1, ANYWAY=1: of make erase.
CONFIRM_ := $(if $(filter-out 0,$(CONFIRM)),--confirm)
ANYWAY_ := $(if $(filter-out 0,$(ANYWAY)),--anyway)
ALSO_LINKED_ := $(if $(filter-out 0,$(ALSO_LINKED)),--also-linked)
# AGAIN=1: run all SQL again, so that what was dropped or taken away comes back.
AGAIN_ := $(if $(filter-out 0,$(AGAIN)),--again)

.PHONY: help
help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "%-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: setup
setup: $(VENV)/.installed ## Install everything into .venv, and dbt's packages
	@python -m sandbox.dbt_packages

# Every file is checked against its hash, whichever mirror it comes from; so are pip, uv
# and what builds the one package that has no wheel.
$(VENV)/.installed: requirements.txt installers.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Python 3.11 or newer is needed: make setup PYTHON=python3.12"; exit 1; }
	test -x $(VENV)/bin/python || $(PYTHON) -m venv $(VENV)
	pip install --quiet --disable-pip-version-check --require-hashes -r installers.txt
	# uv resolves in seconds, but knows nothing of pip's configuration.
	uv pip install --quiet --compile-bytecode --require-hashes \
		--build-constraints installers.txt -r $< \
		|| pip install --quiet --require-hashes --build-constraint installers.txt -r $<
	touch $@

LOCK := uv pip compile --quiet --upgrade --universal --python-version 3.11 --no-header \
	--no-annotate --generate-hashes

.PHONY: lock
lock: $(VENV)/.installed ## Resolve the newest versions, with their hashes, into requirements.txt
	$(LOCK) --output-file requirements.txt requirements.in
	printf '%s\n' pip setuptools uv | $(LOCK) --output-file installers.txt -

.PHONY: demo
demo: export LANDING := data/demo/landing
demo: export WAREHOUSE := data/demo/warehouse.duckdb
demo: export DOCS := data/demo/docs
demo: export REPORT := data/demo/report
demo: export SITE := data/demo/site
demo: export TARGET := duckdb
demo: export DBT_SCHEMA := amplitude
demo: export AMP_PROJECT_ID :=
demo: setup ## Take the sample export the whole way, on this machine alone
	@python -m sandbox.export_api -- $(MAKE) ingest START=2026-01-12 END=2026-01-18
	@$(MAKE) dbt-build site
	@python -m sandbox.summary

.PHONY: ingest
ingest: $(VENV)/.installed ## Land what is new (or START=2026-01-01 END=2026-01-31)
	@python -m ingest $${START:+--start "$$START"} $${END:+--end "$$END"} $(ARGS)

.PHONY: ledger
ledger: $(VENV)/.installed ## Show what each hour holds (VERIFY=1 also checks every landed file)
	@python -m ingest --ledger $(VERIFY_) $${START:+--start "$$START"} $${END:+--end "$$END"}

.PHONY: erase
erase: setup ## Show what there is of a person (USER_IDS=a,b or @file), or erase it (CONFIRM=1)
	@python -m ingest.erase $(CONFIRM_) $(ALSO_LINKED_) $(ANYWAY_) $${PROJECT:+--project "$$PROJECT"} \
		-- $(MAKE) erase-from-warehouse

# The second half of erase, once nothing of the person is in the landing any more: raw,
# models, and what was written from them. All of it may be done again.
# Tests come last: one that fails must not leave an old table as it is.
REBUILD = $(MAKE) dbt-build ARGS="--full-refresh --exclude-resource-type test"
.PHONY: erase-from-warehouse
erase-from-warehouse: setup
	@rm -f $(DBT_LOG_PATH)/dbt.log*
	@cd $(or $(DBT_TARGET_PATH),dbt/target) 2>/dev/null && rm -rf compiled run run_results.json || true
ifneq ($(filter snowflake%,$(call setting,TARGET)),)
	@python -m snowflake_setup erase
	@$(REBUILD)
else
	@python -m ingest.erase_duckdb -- $(REBUILD)
endif
	@if [ -e $(SITE)/index.html ]; then $(MAKE) site; else \
		if [ -e $(DOCS)/index.html ]; then $(MAKE) docs; fi; \
		if [ -e $(REPORT)/index.html ]; then $(MAKE) report; fi; fi
	@$(DBT) test --exclude-resource-type unit_test

.PHONY: wait-loaded
wait-loaded: $(VENV)/.installed ## Wait until Snowflake's raw tables hold what has landed
	@python -m snowflake_setup wait-loaded $(ARGS)

.PHONY: load-missing
load-missing: $(VENV)/.installed ## Load what has landed and is missing in raw, never twice
	@python -m snowflake_setup load-missing $(DRY) $(ARGS)

.PHONY: cloud-setup
cloud-setup: $(VENV)/.installed ## Set up AWS and Snowflake (DRY_RUN=1 only says what it would do)
	@python -m snowflake_setup cloud-setup $(DRY) $(AGAIN_) $(ARGS)

.PHONY: doctor
doctor: setup ## Look at every link from Amplitude to the models, and say what mends it
	@python -m snowflake_setup doctor $(ARGS)

.PHONY: snowflake-setup
snowflake-setup: $(VENV)/.installed ## Deploy snowflake_setup/ (DRY_RUN=1 only says what it would run)
	@python -m snowflake_setup deploy $(DRY) $(AGAIN_) $(ARGS)

.PHONY: dbt-build
dbt-build: setup ## Load, build and test all models (TARGET=duckdb or snowflake)
	@mkdir -p data
	@$(DBT) build --exclude-resource-type unit_test $(ARGS)

.PHONY: unit-test
unit-test: setup ## Run the models' unit tests, in a warehouse that has been built
	@$(DBT) test --resource-type unit_test $(ARGS)

# Not with the TARGET of .env, which says where else you build.
.PHONY: slim-ci
slim-ci: setup ## Build what differs from production's manifest (STATE=folder), the rest deferred
	@$(WITH_SETTINGS) $(WITH_TOKEN) dbt \
		--warn-error-options '{"error": "all", "warn": ["LogTestResult", "NoNodesForSelectionCriteria"]}' \
		build --target $(or $(TARGET),snowflake_ci) --select state:modified+ \
		--defer --state $${STATE:?the folder of production\'s manifest.json} $(ARGS)

.PHONY: pipeline
pipeline: ## What the scheduled workflow does: ingest, wait-loaded, dbt-build, site, summary
	@$(MAKE) ingest
	@$(MAKE) wait-loaded
	@$(MAKE) dbt-build TARGET=snowflake
	@$(MAKE) site TARGET=snowflake
	@$(MAKE) run-summary

.PHONY: emulate
emulate: setup ## Load the landing into the Snowflake emulator and build all models there
	@$(WITH_SETTINGS) python -m sandbox.snowflake --landing -- $(MAKE) dbt-build TARGET=snowflake

.PHONY: run-summary
run-summary: $(VENV)/.installed ## Say what the last dbt build came to (in GitHub Actions, on the run's page)
	@python -m snowflake_setup run-summary

.PHONY: docs
docs: setup ## Write the models' documentation to data/docs
	@mkdir -p data $(DOCS)
	@$(DBT) --quiet docs generate --static $(ARGS)
	@python -m report.documentation $${DBT_TARGET_PATH:-dbt/target}/static_index.html $(DOCS)/index.html
	@echo "docs: $(DOCS)/index.html"

.PHONY: report
report: setup ## Write the page of charts to data/report
	@$(WITH_SETTINGS) $(WITH_TOKEN) python -m report $(REPORT)

.PHONY: site
site: docs report ## Put documentation and report together, to be published from data/site
	@rm -rf $(SITE)
	@mkdir -p $(SITE)
	@cp report/page/index.html $(SITE)/
	@cp -R $(DOCS) $(SITE)/docs
	@cp -R $(REPORT) $(SITE)/report
	@echo "site: $(SITE)/index.html"

.PHONY: metrics
metrics: setup ## Ask for metrics (ARGS="--metrics sessions --group-by metric_time__week")
	@$(DBT) --quiet parse
	@$(WITH_SETTINGS) mf query $(ARGS)

.PHONY: test
test: setup ## Run everything that proves the project
	python -m pytest --numprocesses 3 --dist loadgroup --no-loadscope-reorder \
		--ignore tests/conventions $(ARGS)

.PHONY: soak
soak: setup ## Play thousands of random histories of the ingest (HISTORIES=2000)
	HISTORIES=$${HISTORIES:-2000} python -m pytest --numprocesses 2 --quiet tests/test_histories.py

.PHONY: benchmark
benchmark: setup ## Measure the ingest beside other ways (ARGS="--events 2000000")
	python -m benchmarks.ingest $(ARGS)

.PHONY: lint
lint: setup lint-sql ## Check style and conventions of SQL, Python, YAML and workflows
	ruff check
	ruff format --check
	yamllint --strict .
	cfn-lint snowflake_setup/aws/*.yml
	actionlint
	zizmor --offline --quiet --persona=pedantic .github
	python -m pytest --quiet tests/conventions

# sqlfluff's templater cannot be set for a sub-folder, so each folder is linted from
# within; an empty database, because a model may read otherwise once its table exists.
LINT_DBT := cd dbt && WAREHOUSE=:memory: DBT_PROJECT_DIR=. DBT_PROFILES_DIR=. sqlfluff

.PHONY: lint-sql
lint-sql: setup
	$(LINT_DBT) lint analyses models tests
	cd snowflake_setup && sqlfluff lint .

.PHONY: format
format: setup ## Rewrite SQL and Python in the project's style
	ruff check --fix
	ruff format
	$(LINT_DBT) fix analyses models tests
	cd snowflake_setup && sqlfluff fix .

.PHONY: clean
clean: ## Remove what was built: the demo, dbt's files, caches (not data/landing, not .venv)
	rm -rf data/demo data/docs data/report data/site dbt/target dbt/dbt_packages .pytest_cache .ruff_cache
