# make demo: install into .venv and run the main job on a local directory
# make test: install everything the tests need, and run them all

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
SERVERS := docker-registry skopeo
# Two processes, a module in one of them: what a module's tests share is made once.
PYTEST_ARGS ?= -n 2 --dist loadfile

.PHONY: demo test lint man bench servers clean

demo: $(VENV)/.runtime
	PATH="$(abspath $(BIN)):$$PATH" sh examples/demo.sh

test: $(VENV)/.development servers
	$(BIN)/pytest $(PYTEST_ARGS)

lint: $(VENV)/.development
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

man: $(VENV)/.development
	$(BIN)/python -m tools.manpages man

bench: $(VENV)/.benchmarks servers
	$(BIN)/python -m benchmarks

servers: $(VENV)/.development
	sh tests/servers/install.sh

clean:
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis

# The stamps are newer than pyproject.toml when what it asks for is installed.
$(VENV)/.runtime: pyproject.toml
	sh scripts/venv.sh "$(PYTHON)" "$(VENV)"
	$(BIN)/pip install --quiet --editable .
	touch $@

$(VENV)/.development: pyproject.toml
	sh scripts/venv.sh "$(PYTHON)" "$(VENV)"
	$(BIN)/pip install --quiet --editable '.[test,dev]'
	touch $@ $(VENV)/.runtime

$(VENV)/.benchmarks: $(VENV)/.development
	$(BIN)/pip install --quiet --editable '.[bench]'
	touch $@
