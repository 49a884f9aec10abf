# Every command of shoploop's development; `make` lists them.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

SHOPLOOP_HOME ?= $(CURDIR)/.shoploop
export SHOPLOOP_HOME
# Nothing is written outside the checkout and SHOPLOOP_HOME, neither by pip nor by uv.
export UV_CACHE_DIR := $(SHOPLOOP_HOME)/cache/uv
export PIP_CACHE_DIR := $(SHOPLOOP_HOME)/cache/pip
# pip asks rustc for its version, and a rustup that never ran would set itself up in the home folder.
export RUSTUP_HOME := $(SHOPLOOP_HOME)/cache/rustup
export UV_PYTHON_DOWNLOADS := never
export PIP_DISABLE_PIP_VERSION_CHECK := 1
# Compiled modules halve the start of the stack; some images switch them off.
unexport PYTHONDONTWRITEBYTECODE

VENV := .venv
BIN := $(VENV)/bin
ACCELERATOR ?= $(shell nvidia-smi -L >/dev/null 2>&1 && echo gpu || echo cpu)
PLATFORM_LOCK := requirements/platform-$(ACCELERATOR).txt
DEV_LOCK := requirements/dev-$(ACCELERATOR).txt
PLATFORM_STAMP := $(VENV)/.platform-$(ACCELERATOR)
DEV_STAMP := $(VENV)/.dev-$(ACCELERATOR)
SPARK_LOCK := requirements/spark.txt
SPARK_STAMP := $(VENV)/.spark
# make run PORT_AIRFLOW=8081 PORT_MLFLOW=5001 PORT_ENDPOINT=3001
PORTS = $(if $(PORT_AIRFLOW),--port-airflow $(PORT_AIRFLOW)) $(if $(PORT_MLFLOW),--port-mlflow $(PORT_MLFLOW)) $(if $(PORT_ENDPOINT),--port-endpoint $(PORT_ENDPOINT))
TESTS ?=

.PHONY: help setup setup-dev setup-spark run up down status test lint format lock repro docs hooks clean

help:  ## List these commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(PLATFORM_STAMP)  ## Prepare the locked environment in .venv (done by the others when needed)
	@echo "$(VENV) is as requirements/ says, for $(ACCELERATOR)"

setup-dev: $(DEV_STAMP)  ## Prepare it with the tools of development (done by test, lint, format)

setup-spark: $(SPARK_STAMP)  ## Add Spark to it, for build_features.engine: spark; needs Java 17 or newer

run: $(PLATFORM_STAMP)  ## From data to a served recommendation: start the stack, land, train, judge, release
	@$(BIN)/shoploop run $(PORTS)

up: $(PLATFORM_STAMP)  ## Start the local stack: Airflow, MLflow and the endpoint
	@$(BIN)/shoploop up $(PORTS)

down:  ## Stop every process of the stack, also after a crash
	@if [ -x $(BIN)/shoploop ]; then $(BIN)/shoploop down; else echo "Nothing is installed here, so nothing runs"; fi

status: $(PLATFORM_STAMP)  ## Tell how each part of the stack is
	@$(BIN)/shoploop status

test: $(DEV_STAMP)  ## Run the whole test suite, lint first; a part of it with TESTS=tests/stack
	@$(if $(TESTS),,$(MAKE) lint)
	@$(BIN)/python -m pytest $(TESTS)

lint: $(DEV_STAMP)  ## Check style, format, types and import rules
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

format: $(DEV_STAMP)  ## Format the code and correct what can be corrected
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

# As a run does: what an earlier build of the features left is taken over.
repro: export SHOPLOOP_FEATURE_BUILDS := $(SHOPLOOP_HOME)/cache/feature-builds
repro: $(PLATFORM_STAMP)  ## Run the pipeline without Airflow: fetch what was landed, then dvc repro
	@$(BIN)/shoploop land --weeks 0
	@$(BIN)/shoploop fetch
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/dvc repro

docs: $(PLATFORM_STAMP)  ## Generate the pages of docs/ that come from the code
	@$(BIN)/python -m pipelines.api_pages
	@$(BIN)/python -m pipelines.dataset_pages
	@$(BIN)/python -m pipelines.feature_pages
	@$(BIN)/python -m pipelines.sources.published.listing

lock: $(DEV_STAMP)  ## Resolve the dependencies anew and rewrite requirements/
	@PYTHON=$(BIN)/python requirements/lock.sh $(BIN)/uv

hooks:  ## Install a git hook that runs make lint before each commit
	@printf '#!/bin/sh\nexec make lint\n' > "$$(git rev-parse --git-path hooks)/pre-commit"
	@chmod +x "$$(git rev-parse --git-path hooks)/pre-commit"
	@echo "make lint now runs before each commit"

clean: down  ## Stop the stack and remove .venv; data and releases in SHOPLOOP_HOME stay
	@rm -rf $(VENV)

# --- the environment -------------------------------------------------------------------------------------------
# A stamp is newer than its lock once the lock is installed. The development lock holds all of the platform's, at
# the same versions, so it also counts for `make run`, which therefore never takes its tools away again.

$(PLATFORM_STAMP): $(PLATFORM_LOCK) pyproject.toml | $(VENV)/bin/python
	@if [ -e $(DEV_STAMP) ]; then $(MAKE) --silent $(DEV_STAMP); else requirements/install.sh $(VENV) $(PLATFORM_LOCK); fi
	@touch $@

$(DEV_STAMP): $(DEV_LOCK) pyproject.toml | $(VENV)/bin/python
	@requirements/install.sh $(VENV) $(DEV_LOCK)
	@touch $(PLATFORM_STAMP) $@

# Installing another lock takes Spark away again, and its stamp with it.
$(SPARK_STAMP): $(SPARK_LOCK) $(PLATFORM_STAMP)
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r $(SPARK_LOCK)
	@touch $@

$(VENV)/bin/python:
	@requirements/make-venv.sh $(VENV)
