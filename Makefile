# Set-up is two commands from a fresh clone: `make demo` and `make test`. PYTHON chooses the interpreter of .venv.
PYTHON ?= python3
BIN := .venv/bin
own = $(shell "$$([ -x $(BIN)/python ] && echo $(BIN)/python || scripts/python.sh $(PYTHON))" -c 'import sys; print("python{}.{}".format(*sys.version_info))')
others = $(filter-out $(own),python3.13 python3.12 python3.11)
# What other versions of JAX, Flax and NumPy are likeliest to break; five minutes at most on two cores
NEWEST := engine export kept layers lowering optim
RUN ?= runs/demo
PARITY_PYTHON ?= .venv-parity/bin/python

.PHONY: demo test newest newest-installed contract science faults fuzz lint format names docs onnx extras bench parity parity-speed growth clean

demo: .venv/installed
	$(BIN)/gan train dcgan_digits --out $(RUN)
	$(BIN)/gan sample --ckpt $(RUN) --out $(RUN)/demo.png
	$(BIN)/gan eval --ckpt $(RUN) --metric fid,class-coverage --n 5000
	@echo "Look at $(RUN)/demo.png"

test: .venv/tested  # three at a time on two cores: one of them often waits for a process, a page or a disk
	$(BIN)/python -m pytest -n 3 --dist worksteal -m "not slow"

newest: newest-installed  # some tests on the newest other Python that is here: JAX 0.11 and newer want 3.12
	@if [ -e .venv-newest/tested ]; then \
		.venv-newest/bin/python -m pytest -n 3 --dist worksteal -m "not slow" $(NEWEST:%=tests/test_%.py); \
	else echo "No tests on another Python than $(own)"; fi

newest-installed:
	@if python="$$(scripts/python.sh $(others))"; then $(MAKE) PYTHON="$$python" .venv-newest/tested; fi

contract: .venv/tested  # the promises that every recipe keeps, for each; the commands of every page
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
	rm -rf .venv .venv-newest .venv-onnx .venv-bench .venv-parity .venv-fuzz build dist *.egg-info

%/bin/python:
	python="$$(scripts/python.sh $(PYTHON))" && "$$python" -m venv $*

.venv/installed: pyproject.toml | .venv/bin/python
	@echo "Installing into .venv; the first time takes a minute or more"
	$(BIN)/python -m pip install --quiet --editable .
	@touch $@

.venv/tested: pyproject.toml | .venv/bin/python
	$(BIN)/python -m pip install --quiet --editable '.[test]'
	@touch $@ .venv/installed

.venv/dev: pyproject.toml | .venv/bin/python
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	@touch $@ .venv/tested .venv/installed

.venv-newest/tested: pyproject.toml | .venv-newest/bin/python
	@echo "Installing into .venv-newest; the first time takes a minute or more"
	.venv-newest/bin/python -m pip install --quiet --editable '.[test]'
	@touch $@

.venv-onnx/installed: pyproject.toml | .venv-onnx/bin/python
	.venv-onnx/bin/python -m pip install --quiet --editable '.[test,onnx]'
	@touch $@

.venv-bench/installed: scripts/bench/requirements.txt | .venv-bench/bin/python  # PyTorch, for comparison only
	.venv-bench/bin/python -m pip install --quiet --requirement $<
	@touch $@

.venv-parity/installed: scripts/parity/requirements.txt | .venv-parity/bin/python  # PyTorch and other people's metrics
	.venv-parity/bin/python -m pip install --quiet --requirement $<
	@touch $@

.venv-fuzz/installed: scripts/faults/requirements-fuzz.txt pyproject.toml | .venv-fuzz/bin/python  # atheris
	.venv-fuzz/bin/python -m pip install --quiet --requirement $< --editable '.[test]'
	@touch $@
