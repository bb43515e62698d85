# The front door: every action is a target here, and CI calls the same ones.

.DEFAULT_GOAL := help
MAKEFLAGS += --no-builtin-rules --no-print-directory

PYTHON ?= python3
VENV := .venv
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)

export DBT_PROJECT_DIR := dbt
export DBT_PROFILES_DIR := dbt
export DBT_LOG_PATH ?= logs
export DO_NOT_TRACK := 1

# What the targets of this run need: settings that name Snowflake need more.
ON_SNOWFLAKE := $(filter snowflake%,$(TARGET))$(SNOWFLAKE_ACCOUNT)$(shell \
	grep -Es '^ *(export )?(TARGET=.?snowflake|SNOWFLAKE_ACCOUNT=.)' .env)
INSTALLED := $(VENV)/.installed$(if $(ON_SNOWFLAKE),-snowflake)

# Settings come from the environment, then from .env.
WITH_SETTINGS := $(if $(wildcard .env),dotenv run --no-override --)
# make and the shell of a recipe do not know what is in .env: a recipe that needs a setting
# calls this, or leaves it to the command.
setting = $(or $($1),$(if $(WITH_SETTINGS),$(shell $(VENV)/bin/dotenv get $1 2>/dev/null)))
# With workload identity each command gets a fresh token of the GitHub Actions job.
WITH_TOKEN = $(if $(filter workload_identity,$(call setting,SNOWFLAKE_AUTHENTICATOR)),python -m runner.with_token)
# The warehouse's file and dbt's logs can be read by their owner only.
DBT = umask 077; $(WITH_SETTINGS) $(WITH_TOKEN) python -m runner
PAGES = umask 077; $(WITH_SETTINGS) $(WITH_TOKEN) python -m report

# Until there are settings or data of your own, every target works on the demo's data.
ifndef DATA
OWN := $(wildcard .env data/landing data/warehouse.duckdb)$(AMP_API_KEY)$(LANDING)$(WAREHOUSE)
export DATA := $(if $(OWN),data,$(if $(wildcard data/demo/warehouse.duckdb),data/demo,data))
endif
ifeq ($(DATA),data/demo)
export LANDING := data/demo/landing
export WAREHOUSE := data/demo/warehouse.duckdb
# The sample is from January 2026: its report does not warn about its age.
export REPORT_AGE := none
endif

DOCS ?= $(DATA)/docs
REPORT ?= $(DATA)/report
SITE ?= $(DATA)/site
DIGEST ?= $(DATA)/digest
# DRY_RUN=1: say what would be done, and do nothing.
DRY := $(if $(filter-out 0,$(DRY_RUN)),--dry-run)
# VERIFY=1: check every landed file too.
VERIFY_ := $(if $(filter-out 0,$(VERIFY)),--verify)
# CONFIRM=1 belongs to make erase and make cloud-teardown, the other two to make erase only.
CONFIRM_ := $(if $(filter-out 0,$(CONFIRM)),--confirm)
ANYWAY_ := $(if $(filter-out 0,$(ANYWAY)),--anyway)
ALSO_LINKED_ := $(if $(filter-out 0,$(ALSO_LINKED)),--also-linked)
# AGAIN=1: run all SQL again, to restore what was dropped or revoked.
AGAIN_ := $(if $(filter-out 0,$(AGAIN)),--again)

.PHONY: help
help: ## Show this list
	@awk -F ':.*## ' '/^##@ / {print "\n" substr($$0, 5)} \
		/^[a-z-]+:.*## / {printf "  %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

##@ Try it

.PHONY: demo
demo: export LANDING := data/demo/landing
demo: export WAREHOUSE := data/demo/warehouse.duckdb
demo: export DOCS := data/demo/docs
demo: export REPORT := data/demo/report
demo: export REPORT_AGE := none
demo: export TARGET := duckdb
demo: export DBT_SCHEMA := amplitude
# The demo shows the sample by the project's own settings, and leaves dbt's files alone.
demo: export SETTINGS := none
demo: export DBT_OWN := none
demo: export DBT_TARGET_PATH := $(CURDIR)/data/demo/target
demo: export AMP_PROJECT_ID :=
demo: setup ## Seven days of sample events: ingest, models, tests, report (V=1: all output)
	@mkdir -p data/demo
	@python -m sandbox.demo

.PHONY: query
query: setup ## Query the DuckDB warehouse (SQL="select …", or a prompt)
	@python -m runner.query $${SQL:+"$$SQL"}

.PHONY: metrics
metrics: setup-dev ## Query metrics with MetricFlow (ARGS="--metrics sessions --group-by metric_time__week")
	@$(DBT) --quiet parse
	@$(WITH_SETTINGS) mf query $(ARGS)

.PHONY: clean
clean: ## Delete the demo, dbt's files and caches (not your data, not .venv)
	rm -rf data/demo data/docs data/report data/digest data/site dbt/target dbt/dbt_packages .pytest_cache .ruff_cache .mypy_cache

##@ Run it on your data

.PHONY: ingest
ingest: $(VENV)/.installed ## Land what is missing (or backfill: START=2026-01-01 END=2026-01-31)
	@python -m ingest $${START:+--start "$$START"} $${END:+--end "$$END"} $(ARGS)

.PHONY: ledger
ledger: $(VENV)/.installed ## Show the state of each upload hour (VERIFY=1 also checks every file)
	@python -m ingest --ledger $(VERIFY_) $${START:+--start "$$START"} $${END:+--end "$$END"}

.PHONY: dbt-build
dbt-build: setup ## Load, build and test all models (TARGET=duckdb or snowflake)
	@mkdir -p data
	@$(DBT) build --exclude-resource-type unit_test $(ARGS)

.PHONY: docs
docs: setup ## Write the models' documentation to data/docs
	@$(PAGES) --docs $(DOCS)

.PHONY: report
report: setup ## Write the page of charts to data/report
	@$(PAGES) --report $(REPORT)

.PHONY: digest
digest: setup ## Write last week's digest to data/digest (SEND=1: also post it to WEBHOOK_URL)
	@$(PAGES) --digest $(DIGEST) $(if $(filter-out 0,$(SEND)),--send)

.PHONY: site
site: setup ## Put documentation and report together, to be published from data/site
	@$(PAGES) --docs $(DOCS) --report $(REPORT)
	@rm -rf $(SITE)
	@mkdir -p $(SITE)
	@cp report/page/index.html $(SITE)/
	@cp -R $(DOCS) $(SITE)/docs
	@cp -R $(REPORT) $(SITE)/report
	@echo "site: $(SITE)/index.html"

.PHONY: doctor
doctor: setup ## Check every link from Amplitude to the models, and print fixes
	@python -m doctor

.PHONY: erase
erase: setup ## Show the data of a person (USER_IDS=a,b or @file), or erase it (CONFIRM=1)
	@python -m ingest.erase $(CONFIRM_) $(ALSO_LINKED_) $(ANYWAY_) $${PROJECT:+--project "$$PROJECT"} \
		-- $(MAKE) erase-from-warehouse

# The second half of erase, after the person's events have left the landing: raw,
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
	@python -m ingest.erase.duckdb -- $(REBUILD)
endif
	@if [ -e $(SITE)/index.html ]; then $(MAKE) site; else \
		if [ -e $(DOCS)/index.html ]; then $(MAKE) docs || exit 1; fi; \
		if [ -e $(REPORT)/index.html ]; then $(MAKE) report; fi; fi
	@$(DBT) test --exclude-resource-type unit_test

##@ Run it in the cloud

.PHONY: cloud-setup
cloud-setup: $(VENV)/.installed-snowflake ## Set up AWS and Snowflake (DRY_RUN=1 only prints what it would do)
	@python -m snowflake_setup cloud-setup $(DRY) $(AGAIN_) $(ARGS)

.PHONY: snowflake-setup
snowflake-setup: $(VENV)/.installed-snowflake ## Deploy the SQL of snowflake_setup/ (DRY_RUN=1 only prints it)
	@python -m snowflake_setup deploy $(DRY) $(AGAIN_) $(ARGS)

.PHONY: cloud-teardown
cloud-teardown: $(VENV)/.installed-snowflake ## Show what cloud-setup made, or remove it (CONFIRM=1; data: DELETE=raw,analytics)
	@python -m snowflake_setup cloud-teardown $(if $(DRY),,$(CONFIRM_)) $${DELETE:+--delete "$$DELETE"}

.PHONY: verify-account
verify-account: $(VENV)/.installed-snowflake setup ## Prove it all on your accounts, in a scratch database and bucket (KEEP=1)
	@python -m sandbox.verify_account $(if $(filter-out 0,$(KEEP)),--keep)

.PHONY: wait-loaded
wait-loaded: $(VENV)/.installed-snowflake ## Wait until Snowflake's raw tables hold what has landed
	@python -m snowflake_setup wait-loaded $(ARGS)

.PHONY: load-missing
load-missing: $(VENV)/.installed-snowflake ## Load what has landed and is missing in raw, nothing twice
	@python -m snowflake_setup load-missing $(DRY) $(ARGS)

.PHONY: pipeline
pipeline: ## One run as scheduled: ingest, wait-loaded, dbt-build, run-summary, freshness, site
	@$(MAKE) ingest
	@$(MAKE) wait-loaded
	@$(MAKE) dbt-build TARGET=snowflake
	@$(MAKE) run-summary
	@$(MAKE) freshness TARGET=snowflake
	@$(MAKE) site TARGET=snowflake

.PHONY: freshness
freshness: setup ## Check that raw is not older than its schedule allows (dbt source freshness)
	@$(DBT) source freshness $(ARGS)

.PHONY: cost
cost: $(VENV)/.installed-snowflake ## Show the Snowflake credits of the last weeks (WEEKS=4)
	@python -m snowflake_setup cost $${WEEKS:+--weeks "$$WEEKS"}

.PHONY: run-summary
run-summary: setup ## Summarize the last dbt build (in GitHub Actions, on the run's page)
	@python -m runner.summary

##@ Develop

.PHONY: setup
setup: $(INSTALLED) ## Install what DuckDB needs into .venv, and dbt's packages
	@python -m runner.dbt_packages

.PHONY: setup-dev
setup-dev: $(VENV)/.installed-dev ## Install all: Snowflake, tests, linters, MetricFlow
	@python -m runner.dbt_packages

# Every file is checked against its hash, whichever mirror it comes from; so are pip, uv
# and what builds the one package that has no wheel. uv takes seconds, pip minutes; but
# uv knows nothing of pip's configuration.
define install
	@echo "Installing $< into $(VENV)"
	@uv pip install --quiet --system-certs --compile-bytecode --require-hashes \
		--build-constraints requirements/installers.txt -r $< 2> $(VENV)/uv.log \
	|| { echo "uv could not, see $(VENV)/uv.log: pip does it, which takes a minute or two"; \
		pip install --quiet --require-hashes \
			--build-constraint requirements/installers.txt -r $<; }
endef

$(VENV)/.installers: requirements/installers.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Python 3.11 or newer is needed: make setup PYTHON=python3.12"; exit 1; }
	@test -x $(VENV)/bin/python || $(PYTHON) -m venv $(VENV)
	@pip install --quiet --disable-pip-version-check --require-hashes -r $<
	@touch $@

$(VENV)/.installed: requirements.txt $(VENV)/.installers
	$(install)
	@touch $@

# Each of these holds all of those before it, in the same versions.
$(VENV)/.installed-snowflake: requirements/snowflake.txt $(VENV)/.installers
	$(install)
	@touch $(VENV)/.installed $@

$(VENV)/.installed-dev: requirements/dev.txt $(VENV)/.installers
	$(install)
	@touch $(VENV)/.installed $(VENV)/.installed-snowflake $@

.PHONY: test
test: setup-dev ## Run all tests
	python -m pytest --numprocesses $(or $(WORKERS),3) --dist loadgroup --no-loadscope-reorder \
		--ignore tests/conventions $(ARGS)

# Left out: all that builds models or starts emulators, and random histories.
SLOW := tests/models $(addprefix tests/test_,cloud_dbt.py cloud_doctor.py cloud_loads.py cloud_setup.py \
	cloud_sql.py cloud_teardown.py erase.py histories.py ingest_hostile.py object_store.py \
	ingest_s3.py snowflake_emulator.py verify_account.py)
.PHONY: test-fast
test-fast: setup-dev ## Run the tests of the inner loop, in about two minutes
	python -m pytest --numprocesses $(or $(WORKERS),3) --dist loadgroup --ignore tests/conventions \
		$(addprefix --ignore ,$(SLOW)) --deselect \
		tests/test_readme.py::test_commands_work_in_their_order $(ARGS)

.PHONY: unit-test
unit-test: setup ## Run the models' unit tests, in a warehouse that has been built
	@$(DBT) test --resource-type unit_test $(ARGS)

# Not with the TARGET of .env, which says where else you build.

.PHONY: soak
soak: setup-dev ## Play thousands of random histories of the ingest (HISTORIES=2000)
	HISTORIES=$${HISTORIES:-2000} python -m pytest --numprocesses 2 --quiet tests/test_histories.py

.PHONY: benchmark
benchmark: setup-dev ## Measure the ingest beside other ways (ARGS="--events 2000000")
	python -m benchmarks.ingest $(ARGS)

.PHONY: emulate
emulate: setup-dev ## Load the landing into the Snowflake emulator and build all models there
	@$(WITH_SETTINGS) python -m sandbox.snowflake --landing -- $(MAKE) dbt-build TARGET=snowflake

.PHONY: slim-ci
slim-ci: $(VENV)/.installed-snowflake setup ## Build what differs from production's manifest (STATE=folder), defer the rest
	@$(WITH_SETTINGS) $(WITH_TOKEN) env TARGET=$(or $(TARGET),snowflake_ci) python -m runner \
		--warn-error-options '{"error": "all", "warn": ["LogTestResult", "Deprecations", "NoNodesForSelectionCriteria"]}' \
		build --select state:modified+ \
		--defer --state $${STATE:?the folder of production\'s manifest.json} $(ARGS)

# The sorted arrays are new ones.
OXLINT := oxlint --deny-warnings --deny suspicious --allow unicorn/no-array-sort
.PHONY: lint
lint: setup-dev lint-sql ## Check style, types and conventions of SQL, Python, JavaScript, YAML, workflows
	ruff check
	ruff format --check
	mypy
	$(OXLINT) report/page/*.js
	oxfmt --check report/page/*.js
	yamllint --strict .
	cfn-lint snowflake_setup/aws/*.yml
	actionlint
	zizmor --offline --quiet --persona=pedantic .github
	python -m pytest --quiet tests/conventions

# sqlfluff's templater cannot be set for a sub-folder, so each folder is linted from
# within; an empty database, because a model may read otherwise once its table exists.
LINT_DBT := cd dbt && DBT_OWN=none WAREHOUSE=:memory: DBT_PROJECT_DIR=. DBT_PROFILES_DIR=. sqlfluff

.PHONY: lint-sql
lint-sql: setup-dev
	$(LINT_DBT) lint analyses models tests
	cd snowflake_setup && sqlfluff lint .

.PHONY: format
format: setup-dev ## Rewrite SQL, Python and JavaScript in the project's style
	ruff check --fix
	ruff format
	oxfmt report/page/*.js
	python -m report.mart_pages
	$(LINT_DBT) fix analyses models tests
	cd snowflake_setup && sqlfluff fix .

LOCK := uv pip compile --quiet --system-certs --universal --python-version 3.11 --no-header \
	--no-annotate --generate-hashes

.PHONY: lock
lock: $(VENV)/.installers ## Resolve the newest versions, with their hashes, into requirements
	$(LOCK) --upgrade --output-file requirements/dev.txt requirements/dev.in
	$(LOCK) --upgrade --constraint requirements/dev.txt \
		--output-file requirements/snowflake.txt requirements/snowflake.in
	$(LOCK) --upgrade --constraint requirements/dev.txt \
		--output-file requirements.txt requirements/duckdb.in
	printf '%s\n' pip setuptools uv | $(LOCK) --upgrade --output-file requirements/installers.txt -

# Wheels only, except for halo, which is pure Python and has none.
PLATFORMS := aarch64-apple-darwin x86_64-apple-darwin x86_64-manylinux_2_28 \
	aarch64-manylinux_2_28
.PHONY: check-platforms
check-platforms: $(VENV)/.installers ## Check that every platform has wheels of all packages
	@for platform in $(PLATFORMS); do for version in 3.11 3.12 3.13; do \
		MACOSX_DEPLOYMENT_TARGET=14.0 uv pip install --quiet --system-certs --dry-run \
			--no-deps --only-binary :all: --no-binary halo --target $(VENV)/none \
			--python-platform $$platform --python-version $$version \
			-r requirements/dev.txt || { echo "on $$platform, Python $$version"; exit 1; }; \
	done; done
