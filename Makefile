# The two that matter: `make run` starts the server, `make test` runs every check and test.
# Both need python3 with venv and nothing else. What they install stays in this folder, but for
# Debian's nodejs, npm, chromium and haproxy, which `make test` adds where they are missing and it may.

PYTHON ?= python3
ARGS ?=
VOICE ?= yes

BIN := .venv/bin
# The pins are complete, so pip need not ask the packages what they want: some want what cannot
# be had (docs/adr/0001-dependencies.md). They have hashes: pip takes no other file for them.
PIP := -m pip install --quiet --disable-pip-version-check
PINNED := --no-deps --require-hashes
LOCK := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--fork-strategy fewest --annotation-style line --custom-compile-command 'make lock' \
	--no-emit-index-url --no-emit-find-links

# Four processes, on two cores too: half of the time a test waits, for programs, sound and limits of
# time. What a fixture made is used by the tests beside each other, in one of them.
PARALLEL := --numprocesses 4 --dist worksteal

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help run setup test nightly clients autobahn fuzz check format coverage audit lock clean browser \
	balancer promtool

help: ## Say what there is to make
	@sed -nE 's/^([a-z]+):.*## (.*)/  make \1\t\2/p' Makefile | expand -t 20

run: .venv/.light $(if $(filter-out no,$(VOICE)),.venv/.voice) ## Start the server; ARGS="--port 9000" are its options, VOICE=no installs no human voice
	$(BIN)/python server.py $(ARGS)

setup: .venv/.full ## Install all that the models, the tests and the checks need

# Compiled once: each of some 300 programs that tests start would compile all of it anew where the
# environment forbids to keep that, as in many containers.
test: export PYTHONDONTWRITEBYTECODE :=
test: check tests/node/node_modules/.stamp browser balancer promtool ## Run every check and every test
	$(BIN)/python -m pytest $(PARALLEL)

nightly: test ## Run the laws with thirty times the examples as well, an hour and more; and listen
	$(BIN)/python bench/quality.py --gate
	$(BIN)/python bench/gpu.py --device cpu --tiny
	HYPOTHESIS_PROFILE=nightly $(BIN)/python -m pytest $(PARALLEL) -o faulthandler_timeout=0 \
		property_tests

clients: .venv/.light .venv-clients/.stamp ## Let Pipecat and LiveKit speak with the server (600 MB)
	.venv-clients/bin/python tests/frameworks/pipecat_speaks.py
	.venv-clients/bin/python tests/frameworks/livekit_speaks.py

autobahn: .venv/.light .venv-autobahn/.stamp ## Let Autobahn's own test suite try our WebSocket
	.venv-autobahn/bin/python tests/frameworks/autobahn_suite.py

# SECONDS of each target, beside each other; `make test` has ten.
fuzz: .venv/.full ## Fuzz what strangers send: SECONDS=600 of each target
	FUZZ_SECONDS=$(or $(SECONDS),60) $(BIN)/python -m pytest $(PARALLEL) -o faulthandler_timeout=0 \
		tests/fuzz

check: .venv/.full ## Formatting, lint and types, of the Dockerfile, shell scripts and the chart too
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/hadolint Dockerfile
	$(BIN)/shellcheck .ci/run deploy/*.sh deploy/*/*.sh deploy/*/*/*.sh tests/*.sh tests/*/*.sh
	$(BIN)/helm lint --strict --quiet deploy/helm

format: .venv/.full ## Format the code, and mend what lint can mend
	$(BIN)/ruff check --fix --exit-zero --quiet .
	$(BIN)/ruff format .

coverage: .venv/.full browser balancer promtool ## Run the tests and tell which branches none of them took
	$(BIN)/coverage run -m pytest $(PARALLEL)
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report

# The bill is of what is installed in .venv; the advisories are asked for by the pins, since those are
# what others install. --strict: a package that could not be looked up is no clean one.
audit: .venv/.full .venv-audit/.stamp ## Ask for known holes in all that is pinned; write its bill of materials
	.venv-audit/bin/cyclonedx-py environment --pyproject pyproject.toml --mc-type application \
		--output-reproducible --output-file bom.cdx.json $(BIN)/python
	for pins in light models full clients tools autobahn; do \
		.venv-audit/bin/pip-audit --strict --require-hashes --disable-pip \
			--requirement requirements/$$pins.txt || exit; \
	done
	.venv-audit/bin/pip-audit --strict --no-deps --disable-pip --requirement requirements/torch.txt
	cd tests/node && npm audit

# Keeps the versions it finds as long as pyproject.toml allows them; UPGRADE=--upgrade takes
# the newest. The other pins follow the full ones, so that one .venv can be either; the models'
# are for images, which need no tools.
lock: .venv/.full ## Compile pyproject.toml into the pins under requirements/
	$(LOCK) pyproject.toml $(UPGRADE) --extra models --extra tracing --group dev --no-emit-package torch \
		--constraint requirements/torch.txt --output-file requirements/full.txt
	$(LOCK) pyproject.toml --extra models --no-emit-package torch \
		--constraint requirements/full.txt --constraint requirements/torch.txt \
		--output-file requirements/models.txt
	$(LOCK) pyproject.toml --constraint requirements/full.txt --output-file requirements/light.txt
	$(LOCK) pyproject.toml --extra tracing --constraint requirements/full.txt \
		--output-file requirements/tracing.txt
	$(LOCK) $(UPGRADE) --group tools --output-file requirements/tools.txt
	$(LOCK) $(UPGRADE) --group clients --output-file requirements/clients.txt
	$(LOCK) $(UPGRADE) --no-deps --group autobahn --output-file requirements/autobahn.txt
	cd tests/node && npm install --package-lock-only --omit-lockfile-registry-resolved --no-audit \
		--no-fund --ignore-scripts --loglevel=error

clean: ## Remove what was installed and all caches
	rm -rf .venv .venv-audit .venv-autobahn .venv-clients .fuzz bom.cdx.json tests/node/node_modules tests/monitoring/.promtool .coverage .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' || \
		{ echo "This needs Python 3.11 to 3.13; name one with: make PYTHON=python3.12 ..." >&2; exit 1; }
	$(PYTHON) -m venv .venv

.venv/.light: requirements/light.txt | .venv/bin/python
	$(BIN)/python $(PIP) $(PINNED) -r requirements/light.txt
	@touch $@

.venv/.voice: requirements/voice.txt | .venv/bin/python
	$(BIN)/python $(PIP) $(PINNED) -r requirements/voice.txt
	@touch $@

# torch last, and with what it needs further: which build that is depends on the machine.
.venv/.full: requirements/full.txt requirements/torch.txt .venv/.light .venv/.voice
	$(BIN)/python $(PIP) $(PINNED) -r requirements/full.txt
	$(BIN)/python $(PIP) --no-warn-conflicts -r requirements/torch.txt
	@touch $@

.venv-clients/.stamp: requirements/clients.txt
	$(PYTHON) -m venv .venv-clients
	.venv-clients/bin/python $(PIP) $(PINNED) -r requirements/clients.txt
	@touch $@

.venv-audit/.stamp: requirements/tools.txt
	$(PYTHON) -m venv .venv-audit
	.venv-audit/bin/python $(PIP) $(PINNED) -r requirements/tools.txt
	@touch $@

# Pip compiles what it installs, and cannot: it is Python 2 until it is translated.
.venv-autobahn/.stamp: requirements/autobahn.txt tests/frameworks/autobahn_suite.py
	rm -rf .venv-autobahn
	$(PYTHON) -m venv .venv-autobahn
	.venv-autobahn/bin/python $(PIP) $(PINNED) --no-compile -r requirements/autobahn.txt
	.venv-autobahn/bin/python tests/frameworks/autobahn_suite.py --translate
	@touch $@

# Without Node its one test is skipped, and pytest says so; everything else runs.
tests/node/node_modules/.stamp: tests/node/package-lock.json tests/node/install.sh
	@tests/node/install.sh

# Without a browser the tests of the page are skipped likewise.
browser:
	@tests/page/install.sh

# Without promtool those of the alert rules are.
promtool:
	@tests/monitoring/install.sh

# Without HAProxy those of a cluster are.
balancer:
	@tests/cluster/install.sh
