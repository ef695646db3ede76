# Each target makes what it needs. PYTHON names the interpreter the environment is made from (3.10 or newer).
PYTHON ?= python3
BIN := .venv/bin
ROOMS := pipeline model train evaluate manifests

.PHONY: install demo figures test lint clean

# Also links the rooms to .lint/hspcgan, where type checkers and editors (pyproject.toml) find hspcgan.*
install: .venv/.installed

.venv/.installed: setup.cfg pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check "setuptools<81" wheel
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable ".[dev]"
	mkdir -p .lint/hspcgan
	for room in $(ROOMS); do ln -sfn ../../$$room .lint/hspcgan/$$room; done
	touch $@

demo: install
	$(BIN)/hspcgan demo

figures: install
	$(BIN)/hspcgan prepare ci
	$(BIN)/hspcgan evaluate ci --junit runs/ci/junit.xml --markdown runs/ci/summary.md

test: install
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n auto --dist loadfile

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	MYPYPATH=.lint $(BIN)/mypy --namespace-packages --explicit-package-bases -p hspcgan

clean:
	rm -rf .venv .lint .pytest_cache .mypy_cache .ruff_cache runs samples
