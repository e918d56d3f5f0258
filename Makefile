# Everything that one does here: `make run` to see it, `make test` to check it.

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help run stack test test-all lint lint-python lint-types lint-templates lint-frontend lint-django lint-alerts bench faults rehearse lighthouse screenshots messages lock clean

PY := .venv/bin/python
MAKE_VENV := sh scripts/make_venv.sh
PIP_COMPILE := $(PY) -m piptools compile --quiet --strip-extras \
	--no-emit-index-url --no-emit-find-links --no-emit-trusted-host
BIOME := $(PY) -m scripts.node node_modules/@biomejs/biome/bin/biome
# Checks read the models, not the data.
CHECK := DATABASE_URL=sqlite://:memory: $(PY) manage.py

help: ## Say what there is
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1|\2/p' Makefile | awk -F'|' '{ printf "%-20s%s\n", $$1, $$2 }'

run: .venv/.run ## Start the site with demo accounts and a replay of market data
	@exec $(PY) manage.py demo

stack: .venv/.dev ## Start PostgreSQL, Redis, two servers, Celery and nginx, as in production
	@exec $(PY) -m scripts.stack

test: .venv/.dev ## Each test once: front end, browser, database and sockets on PostgreSQL and Redis, the others on SQLite
	@exec $(PY) -m scripts.run_tests

test-all: .venv/.dev ## Each on the other database, on the other channel layer, under uvicorn, and with processes killed
	@exec $(PY) -m scripts.run_tests --elsewhere

lint: lint-python lint-types lint-templates lint-frontend lint-django lint-alerts ## Style, types, templates, front end, Django's checks, alert rules

lint-python: .venv/.dev
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .

lint-types: .venv/.dev
	$(PY) -m mypy .

lint-templates: .venv/.dev
	find templates signals notifications -name '*.html' -exec .venv/bin/djade --check --target-version 5.2 {} +

lint-frontend: .venv/.dev node_modules/.made
	$(BIOME) check --error-on-warnings

lint-django: .venv/.dev
	$(CHECK) makemigrations --check --dry-run
	$(CHECK) check --fail-level WARNING

lint-alerts: .venv/.dev
	$(PY) -m scripts.alert_rules

bench: .venv/.dev ## Measure this and its rivals on this machine: all, or ROW=fanout; QUICK=1 for a look
	@exec $(PY) -m benchmarks $(addprefix --row ,$(ROW)) $(if $(QUICK),--quick)

faults: .venv/.dev ## Break the production topology on purpose, the short way; FULL=1: in every way
	@exec $(PY) -m scripts.faults $(if $(FULL),--full)

rehearse: .venv/.dev ## Upgrade the production topology and restore its backup while it is in use: both, or WHICH=upgrade
	@exec $(PY) -m scripts.rehearsals $(WHICH)

lighthouse: .venv/.dev node_modules/.made ## Marks for speed, accessibility and best practices of the main pages
	@exec $(PY) -m scripts.lighthouse

screenshots: .venv/.dev ## Take the pictures in docs/screenshots/ anew
	@exec $(PY) -m scripts.screenshots

messages: .venv/.dev ## Bring the translations in locale/ up to date with the texts in the code
	@exec $(PY) -m scripts.messages

lock: .venv/.dev ## Write requirements.txt and requirements-dev.txt anew from their .in files
	$(PIP_COMPILE) --output-file=requirements.txt requirements.in
	$(PIP_COMPILE) --output-file=requirements-dev.txt requirements-dev.in

clean: ## Remove what the commands above have made; the data and logs (var/, logs/) stay
	rm -rf .venv node_modules .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.venv/.run: requirements.txt scripts/make_venv.sh
	@$(MAKE_VENV) $@ requirements.txt

.venv/.dev: requirements.txt requirements-dev.txt scripts/make_venv.sh
	@$(MAKE_VENV) $@ requirements.txt requirements-dev.txt

node_modules/.made: package.json package-lock.json .npmrc | .venv/.dev
	$(PY) -m scripts.node npm ci --no-progress
	@touch $@
