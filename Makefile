# Set-up is two commands from a fresh clone: `make demo` and `make test`. PYTHON chooses the interpreter of .venv.
PYTHON ?= python3
BIN := .venv/bin
RUN ?= runs/demo
PARITY_PYTHON ?= .venv-parity/bin/python

.PHONY: demo test contract science faults fuzz lint format names docs onnx extras bench parity parity-speed growth clean

demo: .venv/installed
	$(BIN)/gan train dcgan_digits --out $(RUN)
	$(BIN)/gan sample --ckpt $(RUN) --out $(RUN)/demo.png
	$(BIN)/gan eval --ckpt $(RUN) --metric fid,class-coverage --n 5000
	@echo "Look at $(RUN)/demo.png"

test: .venv/tested
	$(BIN)/python -m pytest -n 2 --dist worksteal -m "not slow"

contract: .venv/tested  # the promises that every recipe keeps, all of them for each recipe
	$(BIN)/python -m pytest -n 2 --dist worksteal -m contract

science: .venv/tested  # checks that take minutes; results are recorded in docs/results.md
	$(BIN)/python -m pytest -m slow

faults: .venv/dev  # docs/survival.md; full and read-only disks ask for root
	$(BIN)/python scripts/faults/kill.py --forked
	$(BIN)/python scripts/faults/rot.py
	$(BIN)/python scripts/faults/processes.py
	$(BIN)/python scripts/faults/readers.py
	$(BIN)/python scripts/faults/long_run.py

fuzz: .venv-fuzz/installed  # every parser, coverage-guided: docs/hostile-input.md
	.venv-fuzz/bin/python scripts/faults/fuzz.py --seconds 120

lint: .venv/dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy gan_cli

format: .venv/dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

names: .venv/dev  # gan_cli/names.json, what completion reads: after a change of a name, an option or a first line
	$(BIN)/python -m gan_cli.inspection.names

docs: .venv/dev  # build/docs/index.html
	$(BIN)/sphinx-build -E -W --keep-going -q -d build/doctrees docs build/docs

onnx: .venv-onnx/installed  # jax2onnx wants an older Orbax than the newest: checkpoints are tested with it, too
	.venv-onnx/bin/python -m pytest -n 2 tests/test_export.py tests/test_survival.py tests/test_engine.py

extras: .venv/installed  # fails when [onnx] can no longer be installed: it fits a single version of Orbax, the floor
	$(BIN)/python -m pip install --quiet --dry-run --editable '.[onnx]'

bench: .venv/dev .venv-bench/installed  # ours beside PyTorch, in one run
	$(BIN)/python scripts/bench/bench.py

# Ours beside other people's metrics: docs/parity.md. With PARITY_PYTHON=FILE an interpreter at hand stands for .venv-parity.
parity: .venv/dev $(if $(filter .venv-parity/%,$(PARITY_PYTHON)),.venv-parity/installed)
	$(BIN)/python scripts/parity/parity.py --python $(PARITY_PYTHON)

parity-speed: .venv/dev $(if $(filter .venv-parity/%,$(PARITY_PYTHON)),.venv-parity/installed)
	$(BIN)/python scripts/parity/speed.py --python $(PARITY_PYTHON)

growth: .venv/dev  # docs/images/growth.png
	$(BIN)/python scripts/bench/growth.py

clean:
	rm -rf .venv .venv-onnx .venv-bench .venv-parity .venv-fuzz build dist *.egg-info

.venv/installed: pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@echo "Installing into .venv; the first time takes a minute or more"
	$(BIN)/python -m pip install --quiet --editable .
	@touch $@

.venv/tested: pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --editable '.[test]'
	@touch $@ .venv/installed

.venv/dev: pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	@touch $@ .venv/tested .venv/installed

.venv-onnx/installed: pyproject.toml
	test -x .venv-onnx/bin/python || $(PYTHON) -m venv .venv-onnx
	.venv-onnx/bin/python -m pip install --quiet --editable '.[test,onnx]'
	@touch $@

.venv-bench/installed: scripts/bench/requirements.txt  # PyTorch, for comparison only
	test -x .venv-bench/bin/python || $(PYTHON) -m venv .venv-bench
	.venv-bench/bin/python -m pip install --quiet --requirement $<
	@touch $@

.venv-parity/installed: scripts/parity/requirements.txt  # PyTorch and other people's metrics, for comparison only
	test -x .venv-parity/bin/python || $(PYTHON) -m venv .venv-parity
	.venv-parity/bin/python -m pip install --quiet --requirement $<
	@touch $@

.venv-fuzz/installed: scripts/faults/requirements-fuzz.txt pyproject.toml  # atheris
	test -x .venv-fuzz/bin/python || $(PYTHON) -m venv .venv-fuzz
	.venv-fuzz/bin/python -m pip install --quiet --requirement $< --editable '.[test]'
	@touch $@
