# What a person types. Each target sets up what it needs and is missing; nothing is done twice.
#
# The virtual environment is .venv, the lab's state .lab/, the engine is in the user's cache directory.

STACK ?= nft
PYTEST_ARGS ?=
# Two at a time: the engine and the emulator beside each test keep a core busy.
PYTEST_PROCESSES ?= 2
# So many operations of Pulumi's (up, preview, refresh, destroy) does `make test` take, and no more: each takes seconds.
MOST_OPERATIONS := 45

# Recipes take it from the environment, where no shell interprets what is in it.
export STACK

BIN := .venv/bin
STAMP := .venv/made-from

.DEFAULT_GOAL := help
.PHONY: help up down test scenarios lint bench setup engine engine-if-possible venv requirements clean

help: ## this list
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 16

up: setup ## bring up STACK (nft) and what it leans on in the lab, and check the result
	$(BIN)/eps-dos lab start
	$(BIN)/eps-dos up --lab -- "$$STACK"

down: venv ## stop the lab
	$(BIN)/eps-dos lab stop

# Two runs, the second whatever the first says: the emulator puts its extensions into moto for good, and the provider's
# tests load parts of its SDK.
BOTH_RUNS = failed=; \
	$(BIN)/pytest -n $(PYTEST_PROCESSES) $(1) $(PYTEST_ARGS) --ignore tests/lab || failed=yes; \
	$(BIN)/pytest -n $(PYTEST_PROCESSES) $(1) $(PYTEST_ARGS) tests/lab || failed=yes; \
	[ -z "$$failed" ]

test: engine-if-possible ## run the tests that every change needs
	@$(call BOTH_RUNS,-m 'not scenario' --most-operations $(MOST_OPERATIONS))

scenarios: engine-if-possible ## run the rest: kills, faults, fleets
	@$(call BOTH_RUNS,-m scenario)

lint: venv ## check style, types, the generated page, the account's template and workflows
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/eps-dos docs --check
	$(BIN)/zizmor --offline --quiet --no-progress --strict-collection .github
	@$(LINT_TEMPLATE)
	@$(LINT_WORKFLOWS)

bench: setup ## measure
	$(BIN)/python -m benchmarks

setup: engine ## set up what is missing, and nothing else

engine: venv
	@$(BIN)/python -m lab.engine

# Without an engine, tests that need it are skipped and say why; in CI that is a failure.
engine-if-possible: venv
	@$(BIN)/python -m lab.engine || { [ -z "$${CI:-}" ] && echo 'what needs the engine is skipped'; }

requirements: venv ## resolve the requirements of pyproject.toml anew
	@$(COMPILE) --output-file requirements.txt pyproject.toml
	@$(COMPILE) --extra dev --output-file requirements-dev.txt pyproject.toml

clean: ## stop the lab and remove all that was made in this folder
	if [ -x $(BIN)/eps-dos ] && [ -d .lab ]; then $(BIN)/eps-dos lab stop; fi
	rm -rf .venv .lab build .pytest_cache .mypy_cache .ruff_cache .hypothesis *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The hashes are those of every file of a release, so that one file serves all systems and Pythons.
COMPILE = CUSTOM_COMPILE_COMMAND="make requirements" PIP_FIND_LINKS= $(BIN)/pip-compile --quiet --upgrade \
	--generate-hashes --allow-unsafe --strip-extras --build-deps-for editable --annotation-style line \
	--no-emit-index-url --no-emit-trusted-host --no-emit-find-links

# Prints the first Python that is new enough and can make a virtual environment. Each folder on PATH is looked at: the
# first python3 may be an old one, or a version manager's stand-in that leads nowhere.
PROBE = import sys; found = sys.version_info[:2]; \
	found >= (3, 11) or sys.exit("Python %d.%d is too old" % found); import ensurepip, venv
FIND_PYTHON = seen=; IFS=:; \
	for name in $${PYTHON:-} python3 python3.14 python3.13 python3.12 python3.11 python; do \
		for folder in $$PATH; do \
			case $$name in */*) found=$$name ;; *) found=$$folder/$$name ;; esac; \
			[ -x "$$found" ] || continue; \
			said=$$("$$found" -c '$(PROBE)' 2>&1) \
				&& { echo "$$found"; exit 0; }; \
			seen="$$seen    $$found: $$(echo "$$said" | tail -n 1)\n"; \
		done; \
	done; \
	printf 'Python 3.11 or newer with the module venv is needed, and there is none on PATH.\n%b' "$$seen" >&2; \
	echo '    fix: install it (https://www.python.org/downloads; Debian, Ubuntu: python3 and python3-venv), or set PYTHON=/path/to/python3' >&2; \
	exit 3

# The stamp names what the environment was made from. It goes first and comes back last, so that an interrupted
# installation is taken up again.
venv:
	@made_from=$$(cat requirements-dev.txt pyproject.toml | cksum); \
	if [ "$$(cat $(STAMP) 2>/dev/null)" = "$$made_from" ] && $(BIN)/python -c '' 2>/dev/null; then exit 0; fi; \
	rm -f $(STAMP); \
	if ! $(BIN)/python -m pip --version >/dev/null 2>&1; then \
		python=$$($(FIND_PYTHON)) || exit $$?; \
		echo "making .venv with $$python"; \
		"$$python" -m venv --clear .venv || exit 3; \
	fi; \
	echo 'installing the requirements in .venv'; \
	$(BIN)/python -m pip install --disable-pip-version-check --require-hashes -r requirements-dev.txt || exit 3; \
	$(BIN)/python -m pip install --disable-pip-version-check --no-build-isolation --no-deps --no-index --quiet -e . || exit 3; \
	echo "$$made_from" > $(STAMP).new && mv $(STAMP).new $(STAMP)

# cfn-lint tells JSON from YAML by itself, and reads files only.
LINT_TEMPLATE = folder=$$(mktemp -d) && trap 'rm -rf "$$folder"' EXIT && \
	$(BIN)/eps-dos preflight --template > "$$folder/account.json" && \
	echo '$(BIN)/cfn-lint account.json' && $(BIN)/cfn-lint "$$folder/account.json"

LINT_WORKFLOWS = if ! ls .github/workflows/*.y*ml >/dev/null 2>&1; then exit 0; fi; \
	if ! command -v go >/dev/null; then echo 'actionlint: left out, as there is no Go here to build it' >&2; exit 0; fi; \
	go build -C .ci/actionlint -mod=readonly -o "$(CURDIR)/$(BIN)/actionlint" github.com/rhysd/actionlint/cmd/actionlint && \
	echo $(BIN)/actionlint && $(BIN)/actionlint
