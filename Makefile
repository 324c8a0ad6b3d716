# make demo: install what the demo needs into .venv and open it.   make test: install what the tests need, run them all.
# Both install once: again only when requirements.txt or pyproject.toml have changed.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test

demo: .venv/installed
	$(BIN)/python app.py

test: .venv/installed-dev
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	rm -f crn_hub/demo/painter.pyi # gradio writes it at import, with types that don't exist
	$(BIN)/mypy
	$(BIN)/python -m pytest --numprocesses auto --maxprocesses 4 --dist worksteal

.venv/installed: requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.10 or newer is needed" if sys.version_info < (3, 10) else 0)'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --editable .
	touch $@

.venv/installed-dev: .venv/installed
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	touch $@
