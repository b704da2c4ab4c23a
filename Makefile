.DEFAULT_GOAL := help
SHELL := /bin/bash
PYTHON ?= python3
CORES ?= all
# Relative, since the path of the project may hold blanks, which make cannot quote in targets.
BIN := .venv/bin
WITH_PATH := PATH="$(CURDIR)/$(BIN):$$PATH"
RUN := $(WITH_PATH) $(BIN)/python -m snakemake --workflow-profile workflow/profiles/default --cores $(CORES)

help:  ## List the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

env: .venv/.ready  ## Make .venv from requirements.lock

.venv/.ready: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or later is needed: make PYTHON=python3.12 env")'
	@echo "installing into .venv (1 to 4 minutes)"
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	@touch $@

reproduce: env  ## Run the embedded default and draw its report (about 15 minutes on 2 cores)
	$(RUN) --configfile config/default.yaml
	@echo "report: results/default/report/report.html (open it in a browser)"

smoke: env  ## The same with few documents and variants (about 3 minutes)
	$(RUN) --configfile config/smoke.yaml
	@echo "report: results/smoke/report/report.html"

reproduce-full: env  ## Every document, task and variant (days on 2 cores; resumes where it stopped)
	$(RUN) --configfile config/full.yaml
	@echo "report: results/full/report/report.html"

rules: env  ## Every rule that chooses layers, at five depths (about two hours on 2 cores)
	$(RUN) --configfile config/rules.yaml
	@echo "report: results/rules/report/report.html"

bypass: env  ## How far attention is passed on in a group, and where to (about 15 minutes on 2 cores)
	$(RUN) --configfile config/bypass.yaml
	@echo "report: results/bypass/report/report.html"

heal: env  ## How much healing brings back, for grouping, removal and skipping (about 70 minutes)
	$(RUN) --configfile config/heal.yaml
	@echo "report: results/heal/report/report.html"

run: env  ## Any run: make run CONFIG=FILE, and MODEL=FOLDER_OR_HUB_ID with NAME=RESULTS_FOLDER
	$(RUN) --configfile "$(CONFIG)" $(if $(MODEL)$(NAME),--config $(if $(MODEL),"model=$(MODEL)") $(if $(NAME),"name=$(NAME)"))

test: env  ## Run the tests, the smoke workflow among them (about 10 minutes on 2 cores)
	$(WITH_PATH) $(BIN)/python -m pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder

test-deep: env  ## Three times as many random plans against the reference, new ones each time
	$(BIN)/python -m pytest tests/cqil/engine/test_engine.py tests/cqil/engine/test_ranks.py tests/cqil/modeling/test_cached_decoding.py --hypothesis-profile=deep

test-cuda: env  ## Run the tests that need a CUDA device
	$(BIN)/python -m pytest tests/cuda

bench: env  ## Compare the engine with its rivals on this machine (about 8 minutes on 2 cores)
	$(RUN) resources/models/smollm2-135m-instruct/manifest.json --configfile config/default.yaml --quiet all
	$(BIN)/python -m benchmarks bench --model resources/models/smollm2-135m-instruct/manifest.json --out results/bench/bench.json
	$(BIN)/python -m reports bench results/bench/bench.json --out results/bench/bench.md

probe: env  ## Measure this machine for the cost model (about 2 minutes on 2 cores)
	$(BIN)/python -m benchmarks probe --out results/probe/probe.json

regress: env  ## Compare this tree with revision BASE: exact counts and times (about a minute)
	$(BIN)/python -m benchmarks.regress gate $(if $(BASE),--base "$(BASE)") --out results/regress/gate.json $(GATE)

quality: env  ## Lint, formats, types, import directions, workflow lint
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/snakefmt --check Snakefile workflow
	$(WITH_PATH) $(BIN)/snakemake --lint

style: env  ## Format everything
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/snakefmt Snakefile workflow

schemas: env  ## Write the JSON Schemas of configurations and results
	$(BIN)/python -m benchmarks schemas

why: env  ## What a run would do, why, and for how long: make why [CONFIG=FILE]
	@$(WITH_PATH) $(BIN)/python workflow/why.py "$(or $(CONFIG),config/default.yaml)"

unlock: env  ## After a crash or power cut: release the lock, then run the same target again
	$(RUN) --unlock

clean:  ## Remove results; models, texts and tasks stay
	rm -rf results .snakemake

.PHONY: help env run reproduce smoke reproduce-full rules bypass heal test bench probe regress test-deep test-cuda quality style schemas why unlock clean
