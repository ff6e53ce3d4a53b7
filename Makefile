# The verbs of premask. Each makes what it needs; nothing is installed outside of .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
OUT := demo-output

.DEFAULT_GOAL := help
.PHONY: help demo test test-e2e check bench soak serve docs pictures format clean

help: ## show the verbs
	@grep -E '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

# Each set of packages leaves a stamp, so that the second `make` installs nothing.
$(BIN)/python:
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade "pip>=25.1"

$(VENV)/.demo: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --editable ".[offline]" --group demo
	@touch $@

# What the tests need of the package. `sam2` is installed behind it, see tests/install_sam2.py.
EXTRAS := offline,torch,yolo,heif,jpeg,video,fiftyone,label-studio

$(VENV)/.test: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --editable ".[$(EXTRAS)]" --group test
	$(BIN)/python tests/install_sam2.py
	$(BIN)/python tests/install_mongod.py
	$(BIN)/python -m benchmarks.clips $(VENV)/clips
	@touch $@

$(VENV)/.check: pyproject.toml $(VENV)/.test
	$(BIN)/python -m pip install --quiet --editable ".[$(EXTRAS)]" --group check
	@touch $@

# The weights of the tests lie in the environment, so that CI and a laptop find them alike.
WEIGHTS := PREMASK_HOME=$(CURDIR)/$(VENV)/premask

demo: $(VENV)/.demo ## annotate real photos and a clip, write labels, show pictures
	@$(WEIGHTS) $(BIN)/premask models download u2netp
	@$(WEIGHTS) $(BIN)/python -m benchmarks.photos $(OUT)/photos
	@$(WEIGHTS) $(BIN)/premask annotate $(OUT)/photos --recipe subject --out $(OUT)/subject \
		--format coco,label-studio,cutout
	@$(WEIGHTS) $(BIN)/premask annotate $(OUT)/photos --recipe faces --out $(OUT)/faces --format coco
	@$(WEIGHTS) $(BIN)/premask preview $(OUT)/subject $(OUT)/faces
	@$(BIN)/python -m benchmarks.clips $(OUT)/clips
	@$(WEIGHTS) $(BIN)/premask track $(OUT)/clips/carphone_pristine.mp4 --recipe follow --to 4s --fps 10 \
		--out $(OUT)/tracks
	@$(WEIGHTS) $(BIN)/premask preview $(OUT)/tracks

test: $(VENV)/.test ## run the tests
	@$(WEIGHTS) $(BIN)/premask models download u2netp
	$(WEIGHTS) $(BIN)/python -m pytest --ignore tests/e2e

$(VENV)/.e2e: pyproject.toml tests/install_label_studio.py $(VENV)/.test
	$(BIN)/python -m pip install --quiet --group e2e
	$(BIN)/python tests/install_label_studio.py
	@touch $@

test-e2e: $(VENV)/.e2e ## the same in a real browser (needs Chromium)
	@$(WEIGHTS) $(BIN)/premask models download u2netp
	$(WEIGHTS) $(BIN)/python -m pytest tests/e2e

check: $(VENV)/.check ## format, lint, types, layers, generated tables
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	PYTHONPATH=plugin:. $(BIN)/lint-imports
	$(BIN)/cog -P -I . --check README.md docs/models.md docs/scale.md

bench: $(VENV)/.test ## measure, as ratios
	@$(WEIGHTS) $(BIN)/premask models download u2netp
	$(WEIGHTS) $(BIN)/python -m benchmarks

soak: $(VENV)/.test ## label a plan through every fault at once (minutes)
	$(BIN)/python -m benchmarks.soak

$(VENV)/.serve: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --editable ".[offline,label-studio]"
	@touch $@

serve: $(VENV)/.serve ## answer Label Studio on port 9090
	@$(WEIGHTS) $(BIN)/premask models download u2netp
	$(WEIGHTS) $(BIN)/python -m ml_backend --port 9090

docs: $(VENV)/.check ## make the tables in README.md and docs/ anew
	$(BIN)/cog -P -I . -r README.md docs/models.md docs/scale.md

pictures: $(VENV)/.e2e ## make the guides' pictures anew, in a real browser
	@$(WEIGHTS) $(BIN)/premask models download u2netp
	$(WEIGHTS) $(BIN)/python -m pytest tests/e2e -k guide
	$(BIN)/python docs/pictures/guides.py

format: $(VENV)/.check ## let ruff put the code into shape
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean: ## remove what the other verbs made
	rm -rf $(VENV) $(VENV)-label-studio $(OUT) build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis
