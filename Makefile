# The project's commands. `make` alone lists them.

PYTHON ?= python3
CORES ?= all
PORT ?= 5000
# CONFIG: the file of an experiment; without it config.yaml, which is the demo. ARGS: options of pytest.

BIN := .venv/bin
RESULTS = $(or $(shell sed -n 's/^results: *"\{0,1\}\([^" \#]*\).*/\1/p' $(or $(CONFIG),config.yaml)),results)
SNAKEMAKE = $(BIN)/snakemake --cores $(CORES) $(if $(CONFIG),--configfile $(CONFIG))
# The wheels that a machine keeps for pip serve uv too; where there are none, torch comes with its CUDA packages.
INSTALL = UV_FIND_LINKS="$${PIP_FIND_LINKS:-}" $(BIN)/uv pip install --python $(BIN)/python -b envs/constraints.txt

.PHONY: help setup demo test lint ui unlock clean

help: ## list the commands
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(BIN)/.installed ## install everything into .venv

$(BIN)/.installed: pyproject.toml envs/constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install -qq -c envs/constraints.txt uv
	$(INSTALL) -c envs/constraints.txt -r pyproject.toml --group dev --compile-bytecode
	$(INSTALL) --no-deps -e .
	@touch $@

demo: setup ## run the whole experiment and print the comparison (CONFIG=file.yaml for another than the demo)
	$(SNAKEMAKE)
	@cat "$(RESULTS)/summary/comparison.md"
	@echo 'The report: $(RESULTS)/summary/report.html. All runs in MLflow: make ui'

test: setup ## run the tests (ARGS="-k faces" for some of them)
	$(BIN)/pytest $(ARGS)

lint: setup ## check the style of Python and Snakemake files
	$(BIN)/ruff check src tests workflow
	$(BIN)/ruff format --check src tests workflow
	$(BIN)/snakefmt --check Snakefile workflow
	$(BIN)/snakemake --lint

ui: setup ## look at the runs in MLflow, http://127.0.0.1:5000 (PORT=5001 for another port)
	@test -f "$(RESULTS)/mlflow.db" || { echo "There are no runs yet in $(RESULTS): run \`make demo\` first."; exit 1; }
	MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false MLFLOW_DISABLE_TELEMETRY=true $(BIN)/mlflow ui \
	  --host 127.0.0.1 --port $(PORT) --workers 1 --backend-store-uri "sqlite:///$(abspath $(RESULTS))/mlflow.db"

unlock: setup ## release the working folder after a run was killed
	$(SNAKEMAKE) --unlock

clean: ## remove results/ and the caches of tests and linters; .venv stays
	rm -rf results .pytest_cache .hypothesis .ruff_cache
