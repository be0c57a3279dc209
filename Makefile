# keras_kd: `make demo` and `make test` do all the set-up themselves.
PYTHON ?= python3
DATA ?= digits
BIN := .venv/bin
READY := .venv/.ready

export TF_CPP_MIN_LOG_LEVEL ?= 3

.PHONY: setup demo test test-clients test-backends check benchmark golden docs \
    notebooks clean

setup: $(READY)

$(READY): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || \
	    { echo "keras_kd needs Python 3.10 or newer: make PYTHON=python3.12 ..."; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@echo "Installing keras_kd and what it needs into .venv (once, a few minutes)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	@touch $(READY)

demo: $(READY)
	@$(BIN)/python examples/demo.py --data $(DATA) --out build/demo

# One process for each core: TensorFlow keeps a single one busy only half of the time.
test: $(READY)
	@$(BIN)/python -m pytest -n auto --maxprocesses 8 --dist worksteal

# Clients are installed under build/clients/; those that cannot be are skipped.
test-clients: $(READY)
	@$(BIN)/python -m tests.clients.install
	@rm -rf build/clients/results
	@$(BIN)/python -m pytest -m client tests/clients; status=$$?; \
	    $(BIN)/python -m tests.clients.table && exit $$status

# JAX and PyTorch are installed under build/backends/; one that cannot be is skipped.
test-backends: $(READY)
	@$(BIN)/python -m tests.backends.run

check: $(READY)
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

benchmark: $(READY)
	@$(BIN)/python benchmarks/step_overhead.py
	@$(BIN)/python benchmarks/phone.py
	@$(BIN)/python benchmarks/vocabulary.py
	@$(BIN)/python benchmarks/stored_teacher.py
	@$(BIN)/python benchmarks/leaderboard.py --budget-minutes 40

golden: $(READY)
	@$(BIN)/python tests/golden/make.py

docs: $(READY)
	@$(BIN)/python docs/generate.py

notebooks: $(READY)
	@$(BIN)/python -m pytest tests/test_notebooks.py

clean:
	rm -rf .venv build .pytest_cache .mypy_cache .ruff_cache
