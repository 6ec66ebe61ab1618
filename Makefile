# Targets for developers. They need make and Python >= 3.11 with venv. The rest is installed into
# .venv, once, from the locks. `make` alone lists the targets.

VENV := .venv
BIN := $(VENV)/bin
EXPORT := $(BIN)/uv export --quiet --format requirements-txt --no-emit-project --no-header
# Of the image; with an embedded PostgreSQL; with all extras and tools; for the build of the project.
LOCKS := requirements.lock requirements-embedded.lock requirements-dev.lock requirements-build.lock
WORKERS ?= auto
PROPERTIES := tests/unit/engine/test_properties.py tests/unit/engine/test_branches.py tests/unit/cli/test_simulation_report.py

.DEFAULT_GOAL := help
.PHONY: help dev test test-quick test-plans test-scale test-resilience test-system properties lint format chaos checker mutants beside field bench bench-scale image docs tables alerts sbom audit lock clean
.DELETE_ON_ERROR:

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' Makefile
	@echo; echo '  ARGS="..." passes options: make dev ARGS=--once, make test ARGS="-k claim"'

dev: $(VENV)/.run ## Run a database, the daemon and an example (ARGS=--once ends by itself)
	@$(BIN)/resumer-daemon dev $(ARGS)

test: $(VENV)/.dev ## Run the tests on a real PostgreSQL
	@$(BIN)/pytest -n $(WORKERS) $(ARGS)
	@echo 'Not run, because they fill tables with many rows: tests/plans, tests/scale. make test-plans test-scale runs them.'
	@echo 'Not run, because they take minutes: tests/resilience. make test-resilience runs them.'
	@echo 'Not run, because they need Debian packages: tests/system. make test-system runs them.'
	@echo 'Not run, because they take minutes: make properties, field, chaos, mutants. CONTRIBUTING.md says what each proves.'

test-quick: $(VENV)/.dev ## Run the unit and conformance tests (less than a minute)
	@$(BIN)/pytest -n $(WORKERS) tests/unit tests/conformance $(ARGS)

test-plans: $(VENV)/.dev ## Test the query plans beside large tables
	@$(BIN)/pytest -n $(WORKERS) tests/plans $(ARGS)

test-scale: $(VENV)/.dev ## Test the buffers of each statement beside millions of rows (minutes)
	@$(BIN)/pytest -q tests/scale $(ARGS)

test-resilience: $(VENV)/.dev ## Test outages, kills, floods and wrong clocks
	@$(BIN)/pytest -n $(WORKERS) tests/resilience $(ARGS)

properties: $(VENV)/.dev ## Run the property tests of the engine with 5,000 examples
	@RESUMER_TEST_EXAMPLES=5 $(BIN)/pytest -n $(WORKERS) $(PROPERTIES) $(ARGS)

test-system: $(VENV)/.dev ## Test with Prometheus, pgbouncer, PostgreSQL 15, curl and jq
	@$(BIN)/pytest -n $(WORKERS) tests/system $(ARGS)

lint: $(VENV)/.dev ## Check style, types, imports, migrations and the Dockerfile
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/squawk migrations/*.up.sql migrations/*/*.up.sql
	$(BIN)/hadolint Dockerfile

format: $(VENV)/.dev ## Format the code and correct what can be corrected
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

chaos: $(VENV)/.dev ## Kill and restart everything, and prove that nothing is lost or sent twice
	@$(BIN)/python -m tests.chaos $(ARGS)

checker: $(VENV)/.dev ## Prove that the chaos checker finds the faults of broken daemons (minutes)
	@$(BIN)/pytest -q -n $(WORKERS) tests/chaos $(ARGS)

mutants: $(VENV)/.dev ## Put deliberate faults into the code and count those that tests notice
	@$(BIN)/python -m tests.mutants $(ARGS)

beside: $(VENV)/.dev ## Run a stand-in service beside daemons in 10,000 random interleavings
	@$(BIN)/python -m tests.beside $(ARGS)

# As in the field: daemons behind pgbouncer with the rights of resumer_daemon, on both ends of the versions.
POSTGRESQL_15 := /usr/lib/postgresql/15/bin

field: $(VENV)/.dev ## Run the acceptance tests behind pgbouncer, and on PostgreSQL 15
	@test -x $(POSTGRESQL_15)/postgres || { echo 'This needs: apt-get install postgresql-15 pgbouncer' >&2; exit 1; }
	RESUMER_TEST_FIELD=1 $(BIN)/pytest -n $(WORKERS) tests/acceptance $(ARGS)
	RESUMER_PG_BIN=$(POSTGRESQL_15) $(BIN)/pytest -n $(WORKERS) tests/acceptance tests/integration/triggers $(ARGS)
	RESUMER_PG_BIN=$(POSTGRESQL_15) RESUMER_TEST_FIELD=1 $(BIN)/pytest -n $(WORKERS) tests/acceptance $(ARGS)

bench: $(VENV)/.run ## Measure latency and throughput beside a floor of bare SQL
	@$(BIN)/python -m bench $(ARGS)

bench-scale: $(VENV)/.run ## Measure latency beside a million paused executions (minutes)
	@$(BIN)/python -m bench scale=1

image: $(VENV)/.dev ## Build and try the container image, with Docker or buildah
	@.ci/image

# The site needs no network. Its theme warns of a successor that does not check links yet.
docs: $(VENV)/.dev ## Build the documentation site in build/docs and check its links
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --strict
	@echo 'Written: build/docs/index.html. To search in it: python3 -m http.server -d build/docs'

tables: $(VENV)/.dev ## Write the generated tables of README.md and docs/
	@$(BIN)/python -m tests.unit.documents

DOCS_URL ?= https://docs.example/resumer-daemon
RULES := deploy/prometheus/rules.yml deploy/kubernetes/monitoring/prometheusrule.yaml

alerts: ## Write the alert rules to build/alerts with DOCS_URL as address of the runbook
	@mkdir -p build/alerts
	@for file in $(RULES); do sed 's#https://docs.example/resumer-daemon#$(DOCS_URL)#' $$file > build/alerts/$${file##*/}; done
	@echo 'Written: build/alerts/rules.yml, build/alerts/prometheusrule.yaml'

sbom: $(VENV)/.dev ## Write the contents of the image to build/sbom.json (CycloneDX)
	@mkdir -p build
	@$(BIN)/cyclonedx-py requirements requirements.lock --pyproject pyproject.toml --output-reproducible -o build/sbom.json
	@echo 'Written: build/sbom.json'

audit: $(VENV)/.dev ## Look up known vulnerabilities of the dependencies (needs the Internet)
	@$(BIN)/pip-audit --strict --require-hashes --disable-pip -r requirements.lock

lock: $(VENV)/.dev ## Pin the newest versions of all dependencies, with hashes
	@rm -f uv.lock
	@$(EXPORT) -o requirements.lock >/dev/null
	@$(EXPORT) --extra embedded -o requirements-embedded.lock >/dev/null
	@$(EXPORT) --all-extras -o requirements-dev.lock >/dev/null
	@$(EXPORT) --only-group build -o requirements-build.lock >/dev/null
	@! grep -nE 'https?:|file:|--(extra-)?index-url|--find-links' $(LOCKS)
	@echo 'Pinned: $(LOCKS)'

clean: ## Remove the environment, the development database and all caches
	rm -rf $(VENV) .resumer build dist *.egg-info uv.lock
	rm -rf .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -prune -exec rm -rf {} +

$(VENV)/.run: requirements-embedded.lock requirements-build.lock pyproject.toml | $(BIN)/python
	@echo 'This takes about a minute, once.'
	@$(BIN)/python .ci/install 'what the daemon needs' requirements-build.lock requirements-embedded.lock
	@touch $@

$(VENV)/.dev: requirements-dev.lock requirements-build.lock pyproject.toml | $(BIN)/python
	@echo 'This takes a few minutes, once.'
	@$(BIN)/python .ci/install 'the daemon and its development tools' requirements-build.lock requirements-dev.lock
	@touch $@ $(VENV)/.run

$(BIN)/python:
	@.ci/venv $(VENV)
