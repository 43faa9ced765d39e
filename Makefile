# Every verb of the project. Needs make and Python 3.11 or 3.12; the first verb installs everything else into .venv.

BIN := .venv/bin
INSTALLED := .venv/installed
PYTHONS := python3.12 python3.11 python3
ONLY ?=
SECONDS ?= 120

.PHONY: help demo up test fuzz storm bench simulate lint catalogue catalogue-verify migrate openapi settings lock
.DELETE_ON_ERROR:

help: ## list these verbs
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(INSTALLED) ## start a pool, use it as a team would, show what came of it, stop
	@$(BIN)/python -m service up --then "$(BIN)/python clients/python/examples/demo.py"

up: $(INSTALLED) ## run a pool in .worldpool until Ctrl-C
	@$(BIN)/python -m service up

test: $(INSTALLED) ## run all tests, on a PostgreSQL and a Redis that they start
	@$(BIN)/python -m pytest $(ONLY)

fuzz: $(INSTALLED) ## send bad input to every call of the API (SECONDS=120)
	@FUZZ_SECONDS=$(SECONDS) $(BIN)/python -m pytest tests/e2e/test_fuzz.py --timeout $$(($(SECONDS) + 240))

storm: $(INSTALLED) ## kill, restart and disconnect around a run (SECONDS=120)
	@STORM_SECONDS=$(SECONDS) $(BIN)/python -m pytest tests/e2e/test_storm.py -n0 -s

bench: $(INSTALLED) ## measure throughput and latency (ONLY=rollouts for one)
	@$(BIN)/python -m tests.bench $(ONLY)

simulate: $(INSTALLED) ## simulate a week of the scheduler beside three others; a report in .worldpool
	@$(BIN)/python -m service.simulation

lint: $(INSTALLED) ## check style, types and the direction of imports
	@$(BIN)/ruff check --quiet
	@$(BIN)/ruff format --check --quiet
	@$(BIN)/mypy
	@$(BIN)/lint-imports

catalogue: $(INSTALLED) ## measure all environments and write the catalogue's files; resumable
	@$(BIN)/python -m env_registry measure

catalogue-verify: $(INSTALLED) ## measure 2,000 environments again and hold them against the files
	@$(BIN)/python -m env_registry verify

migrate: $(INSTALLED) ## bring the database at WORLDPOOL_DATABASE_URL up to date
	@$(BIN)/python -m service migrate

openapi: $(INSTALLED) ## write docs/openapi.json
	@$(BIN)/python -m service openapi > docs/openapi.json

settings: $(INSTALLED) ## write docs/settings.md
	@$(BIN)/python -m service settings > docs/settings.md

lock: $(INSTALLED) ## resolve requirements.lock again, to the newest versions that fit
	@$(BIN)/uv pip compile pyproject.toml --quiet --upgrade --group dev --universal --python-version 3.11 --generate-hashes \
		--only-binary :all: --no-binary worldpool \
		--no-emit-index-url --no-emit-find-links --no-emit-package worldpool --no-annotate --no-header -o requirements.lock

# Wheels only: a package without one is an error here and no compilation, because we promise to need no compiler. uv comes
# from the lock as well, by its hash; the SDK is ours and is built with what the lock installed.
$(INSTALLED): requirements.lock clients/python/pyproject.toml
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || { \
		for python in $(PYTHONS); do \
			$$python -c 'import ensurepip, sys; sys.exit(not (3, 11) <= sys.version_info < (3, 13))' 2>/dev/null || continue; \
			echo "creating .venv with $$($$python --version)"; \
			exec $$python -m venv --clear .venv; \
		done; \
		echo 'Worldpool needs Python 3.11 or 3.12 with its venv module: none of "$(PYTHONS)" is that.' >&2; \
		echo 'Name another one with: make PYTHONS=/path/to/python3.12' >&2; \
		exit 1; }
	@echo "installing what requirements.lock names (0.9 GB, once)"
	@sed -n '/^uv==/,/[^\\]$$/p' requirements.lock > .venv/uv.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --only-binary :all: --require-hashes -r .venv/uv.lock
	@VIRTUAL_ENV=.venv $(BIN)/uv pip sync --quiet --only-binary :all: --require-hashes requirements.lock
	@VIRTUAL_ENV=.venv $(BIN)/uv pip install --quiet --no-deps --no-build-isolation -e clients/python
	@touch $@
