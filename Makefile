# On a machine with Python 3.11 to 3.13 and nothing else, `make run` and `make test` make their own environment first.
# `.venv/ready` is its stamp: it is renewed when pyproject.toml changes.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PY     := $(BIN)/python
READY  := $(VENV)/ready
ARGS   ?=

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help run test lint types imports tests beat bulk beat-then-bulk wire compiled slow rows faults mutations mutants planted soak kills bench docs clean

help:
	@echo "make run    start the console on the paper demo (ARGS='--no-ui' for no screen)"
	@echo "make test   lint, types, import contracts, and the tests of the program"
	@echo "make wire   the tests of sockets and processes: brokers, venues, official clients, kills, the guardian"
	@echo "make slow   the tests that are too long for every change"
	@echo "make rows   each requirement row in scope with the tests that prove it"
	@echo "make faults  each fault and invariant, who makes it, and the tests that prove the answer"
	@echo "make mutations  plant each kept bug in a copy; its test must catch it"
	@echo "make mutants  change the money modules in 600 small ways; their tests must notice (own environment, ARGS='--write')"
	@echo "make planted  plant bugs that the simulator must find by itself"
	@echo "make matrix  write docs/crash-matrix.md: the scripted morning killed at each of its points"
	@echo "make soak   simulate days for MINUTES=60, fresh seeds, until something breaks"
	@echo "make kills  kill -9 a real desk while it trades, 200 times; the venue's ledger judges"
	@echo "make bench  measure what the design promises"
	@echo "make docs   write the generated pages in docs/"
	@echo "make clean  remove the environment and all caches"

run: $(READY)
	@$(BIN)/strikedesk $(ARGS)

# The checks, and beside them first what holds the beat of the engine to 100 ms: it waits more than it works, and a busy
# test worker would be the gap that it measures. `compiled` saves each worker of the tests ten seconds.
test: $(READY)
	@$(MAKE) --no-print-directory -j 5 lint types imports beat-then-bulk

beat-then-bulk: beat compiled
	@$(MAKE) --no-print-directory bulk

lint: $(READY)
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

types: $(READY)
	@nice -n 10 $(BIN)/pyright --pythonpath $(PY)

imports: $(READY)
	@$(BIN)/lint-imports --no-cache

BEAT := tests/tui/test_terminal.py
tests: beat bulk wire

beat: $(READY)
	@$(PY) -m pytest -q $(BEAT) $(ARGS)

# Three workers, for many tests wait for sockets and processes.
WIRES := $(addprefix tests/brokers/, contract wire kite dhan openalgo xts) tests/system/test_real_crashes.py \
	$(patsubst %, tests/cli/test_%_cli.py, rehearsal venue guardian two_accounts)
bulk: $(READY)
	@$(PY) -m pytest -q -n 3 --dist loadgroup $(addprefix --ignore=, $(BEAT) $(WIRES)) $(ARGS)

wire: $(READY)
	@$(PY) -m pytest -q -n 3 --dist loadgroup $(WIRES) $(ARGS)

compiled: $(READY)
	@PYTHONDONTWRITEBYTECODE= nice -n 10 $(PY) -m pytest --collect-only -q >/dev/null || true  # the tests say why

slow: $(READY)
	@STRIKEDESK_SLOW=1 $(PY) -m pytest -q -n 3 --dist loadgroup -m slow tests $(ARGS)

rows: $(READY)
	@$(PY) tests/architecture/rows.py

faults: $(READY)
	@$(PY) tests/architecture/fault_rows.py

mutations: $(READY)
	@$(PY) tests/mutations/run.py $(ARGS)

# mutmut is wanted for this alone: it has an environment of its own, and the project does not depend on it.
MUTANTS := .venv-mutants
mutants: $(MUTANTS)/ready
	@PYTEST_DISABLE_PLUGIN_AUTOLOAD=1 $(MUTANTS)/bin/python tests/mutations/sample.py $(ARGS)

$(MUTANTS)/ready: pyproject.toml
	@test -x $(MUTANTS)/bin/python || $(PYTHON) -m venv $(MUTANTS)
	@echo "preparing $(MUTANTS): once, about a minute"
	@$(MUTANTS)/bin/python -m pip install -qq --disable-pip-version-check --editable '.[dev]' mutmut==3.8.1
	@touch $(MUTANTS)/ready

planted: $(READY)
	@$(PY) tests/mutations/planted.py $(ARGS)

matrix: $(READY)
	@$(BIN)/strikedesk simulate crashes $(ARGS) > docs/crash-matrix.tmp; code=$$?; \
	{ echo '# The crash matrix'; echo; \
	  echo 'Written by `make matrix`; do not edit. One scripted morning (`tui/simulation/crash_matrix.py`), once for each exit style'; \
	  echo 'and point: the desk is killed there, nobody is there for three seconds, a new desk starts on the journal as it was'; \
	  echo 'left. Recovered means that no invariant broke to the end of the day: nothing sent twice, nothing bare longer than its'; \
	  echo 'window, flat proven, fills, profit and positions equal to the paper exchange to the paisa.'; echo; \
	  cat docs/crash-matrix.tmp; } > docs/crash-matrix.md; rm -f docs/crash-matrix.tmp; exit $$code

# As long as told: days of both profiles and drills, seeds that no run has had before.
MINUTES ?= 60
soak: $(READY)
	@$(PY) bench/soak.py --minutes $(MINUTES) $(ARGS)

KILLS ?= 200
kills: $(READY)
	@$(PY) bench/kill_loop.py --kills $(KILLS) $(ARGS)

bench: $(READY)
	@for file in bench/*.py; do $(PY) $$file $(ARGS) || exit 1; done

docs: $(READY)
	@$(PY) -m engine.config.doc > docs/configuration.md
	@$(PY) -m brokers.paper.faults.doc > docs/faults.md
	@$(PY) -m brokers.doc > docs/brokers.md

$(READY): pyproject.toml
	@$(PYTHON) -c 'import sys; v = sys.version_info; (3, 11) <= v < (3, 14) or sys.exit("strikedesk needs Python 3.11, 3.12 or 3.13; $(PYTHON) is %d.%d. Try: make PYTHON=python3.12 $(MAKECMDGOALS)" % v[:2])'
	@test -x $(PY) || $(PYTHON) -m venv $(VENV)
	@echo "preparing $(VENV): once, about a minute"
	@$(PY) -m pip install -qq --disable-pip-version-check --editable '.[dev]'
	@$(PY) -m compileall -q engine brokers tui  # without bytecode the first start takes seconds longer
	@touch $(READY)

clean:
	rm -rf $(VENV) $(MUTANTS) .pytest_cache .ruff_cache .hypothesis .import_linter_cache build dist *.egg-info
	find engine brokers tui tests bench -name __pycache__ -type d -prune -exec rm -rf {} +
