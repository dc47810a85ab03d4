VENV := .venv
BIN  := $(VENV)/bin
NPM  := npm --no-fund --no-audit --no-update-notifier

help:                   ## this list
	@sed -n 's/^\([a-z-]*\):[^#]*## */\1\t/p' $(MAKEFILE_LIST) | expand -t 12

setup: $(VENV)/development      ## a virtual environment with everything to run, test and check

run: $(VENV)/runtime            ## set up what is missing and start the gateway
	@scripts/install-packages --optional server
	$(BIN)/trestle run

test: $(VENV)/development node_modules/.package-lock.json    ## all tests, with real phones, browsers and servers
	@scripts/install-packages peers
	$(BIN)/pytest
	$(NPM) test

check: $(VENV)/development node_modules/.package-lock.json   ## format, lint, types, imports: all that needs no run
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(NPM) run check

format:                 ## let ruff rewrite what `make check` complains about
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

screenshot: $(VENV)/development node_modules/.package-lock.json  ## take docs/conference.png and docs/monitor.png anew
	TRESTLE_SCREENSHOT=docs/conference.png $(BIN)/pytest tests/interop/test_main_job.py -k four
	TRESTLE_MONITOR_SCREENSHOT=docs/monitor.png $(BIN)/pytest tests/browser/test_monitor.py -k three

bench-media: $(VENV)/development    ## legs per core, beside Janus; best on a machine with nothing else to do
	@scripts/install-packages --optional bench
	@mkdir -p build/bench
	PYTHONPATH=tests nice -n 15 $(BIN)/python -m load.media 2>build/bench/media.log

bench-delay: $(VENV)/development    ## from a sound coming in to its going out, beside Janus
	@scripts/install-packages --optional bench
	@mkdir -p build/bench
	PYTHONPATH=tests nice -n 15 $(BIN)/python -m load.delay 2>build/bench/delay.log

bench-relay: $(VENV)/development    ## what browsers that relay add to a stream, hop by hop, and what they cost
	@scripts/install-packages peers
	@mkdir -p build/bench
	PYTHONPATH=tests nice -n 15 $(BIN)/python -m load.relay

bench-gaps: $(VENV)/development    ## for how long nothing is heard when a relay fails or leaves; as root
	@scripts/install-packages peers
	@mkdir -p build/bench
	PYTHONPATH=tests nice -n 15 $(BIN)/python -m load.gaps

bench-loss: $(VENV)/development    ## what comes through a chain of relays whose links lose packets; as root
	@scripts/install-packages peers
	@mkdir -p build/bench
	PYTHONPATH=tests nice -n 15 $(BIN)/python -m load.loss

sounds: $(VENV)/development     ## make the prompts anew from gateway/media/sounds/*.yaml
	@scripts/install-packages sounds
	$(BIN)/python scripts/make-sounds

bench-trees: $(VENV)/development    ## what the trees cost the peers, simulated, and what a join takes with browsers
	nice -n 15 env PYTHONPATH=tests $(BIN)/python -m load.trees
	@scripts/install-packages --optional peers
	PYTHONPATH=tests $(BIN)/python -m load.rooms

bench-churn: $(VENV)/development    ## 80 receivers that fail and come back, and what they miss; ARGS="--seconds 15 --rates 1 4"
	@scripts/install-packages --optional server
	@mkdir -p build/bench
	PYTHONPATH=tests $(BIN)/python -m load.churn $(ARGS)

$(BIN)/python:
	@scripts/install-packages python
	python3 -m venv $(VENV)

$(VENV)/runtime: pyproject.toml | $(BIN)/python
	$(BIN)/pip install -q -e .
	touch $@

$(VENV)/development: pyproject.toml | $(BIN)/python
	$(BIN)/pip install -q -e '.[test,check]'
	touch $@ $(VENV)/runtime

node_modules/.package-lock.json: package.json package-lock.json
	@scripts/install-packages node
	$(NPM) ci
	touch $@

.PHONY: help setup run test check format screenshot sounds bench-media bench-delay bench-relay bench-gaps bench-loss bench-trees bench-churn
