# The project's commands. `make` alone lists them.

PYTHON ?= python3
CORES ?= all
PORT ?= 5000
MINUTES ?= 10
ADVISORIES := api.osv.dev
# CONFIG: the file of an experiment; without it config.yaml, which is the demo. ARGS: options of the command.

BIN := .venv/bin
CONFIG_FILE = $(or $(CONFIG),config.yaml)
READ_RESULTS = import sys, yaml; print((yaml.safe_load(open(sys.argv[1])) or {}).get("results", "results"))
RESULTS = $(shell $(BIN)/python -c '$(READ_RESULTS)' "$(CONFIG_FILE)" 2> /dev/null)
SNAKEMAKE = $(BIN)/snakemake --cores $(CORES) $(if $(CONFIG),--configfile $(CONFIG))
# The wheels that a machine keeps for pip serve uv too; where there are none, torch comes with its CUDA packages.
INSTALL = UV_FIND_LINKS="$${PIP_FIND_LINKS:-}" $(BIN)/uv pip install --python $(BIN)/python -b envs/constraints.txt

.PHONY: help setup demo test soak lint bench ui raer-sized unlock clean

help: ## list the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

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
	$(BIN)/pytest --numprocesses auto --maxprocesses 8 --dist loadgroup --no-loadscope-reorder $(ARGS)

soak: setup ## kill a small experiment at random moments, MINUTES=10 long (DEMO=1: the demo; SEED=1: the same choices)
	$(BIN)/python tests/faults/soak.py --minutes $(MINUTES) $(if $(SEED),--seed $(SEED)) $(if $(DEMO),--demo)

lint: setup ## check the style of Python and Snakemake files, and ask whether a pinned package is known to be unsafe
	$(BIN)/ruff check src tests workflow benchmarks
	$(BIN)/ruff format --check src tests workflow benchmarks
	$(BIN)/snakefmt --check Snakefile workflow
	$(BIN)/snakemake --lint
	@if $(BIN)/python -c "import socket; socket.create_connection(('$(ADVISORIES)', 443), 10)" 2> /dev/null; \
	then $(BIN)/uv tool run pip-audit@2.10.1 -r envs/constraints.txt --no-deps --disable-pip -s osv; \
	else echo "pip-audit is left out: $(ADVISORIES) cannot be reached from here."; fi

bench: setup ## measure each stage beside its limit; files in benchmarks/ (ARGS="extraction", "--quick")
	$(BIN)/python benchmarks/run.py $(ARGS)

ui: setup ## look at the runs in MLflow, http://127.0.0.1:5000 (PORT=5001 for another port)
	@test -f "$(CONFIG_FILE)" || { echo "There is no $(CONFIG_FILE): CONFIG is the file of an experiment."; exit 1; }
	@test -f "$(RESULTS)/mlflow.db" || { echo "There are no runs yet in $(RESULTS): run \`make demo\` first."; exit 1; }
	MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false MLFLOW_DISABLE_TELEMETRY=true $(BIN)/mlflow ui \
	  --host 127.0.0.1 --port $(PORT) --workers 1 --backend-store-uri "sqlite:///$(abspath $(RESULTS))/mlflow.db"

raer-sized: setup ## draw a dataset of RAER's size for benchmarks: data/raer-sized (ARGS="--times 10", "--height 1080")
	PYTHONPATH=tests $(BIN)/python tests/raer_sized.py data/raer-sized $(ARGS)

unlock: setup ## release the working folder; needed only after kills of a run without the workflow's own profiles
	$(SNAKEMAKE) --unlock

clean: ## remove results/ and the caches of tests and linters; .venv stays
	rm -rf results .pytest_cache .hypothesis .ruff_cache
