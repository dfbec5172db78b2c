# Needs python3 (3.11 or newer, with venv) and make; everything else is fetched by uv, which is fetched when missing.
#
#   make serve   run the server          ARGS="--port 9000 --relay smtp://127.0.0.1:2525"
#   make test    run every test          ARGS="-k sendmail"; new examples: ARGS="--hypothesis-profile exploring"
#   make check   format, lint, types, architecture, documentation
#   make crash   kill -9 under load, at length
#   make model   live through random mailboxes, at length      ARGS="--model-examples 2000"
#   make bench   measure                 ARGS="accept"

UV ?= $(shell command -v uv 2>/dev/null || echo .uv/bin/uv)
ARGS ?=
TEST = $(UV) run --group dev
CORES := $(shell getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2)

.PHONY: serve test crash model check format bench
.DEFAULT_GOAL := serve

serve: $(UV)
	@$(UV) run --no-default-groups --extra fast --extra postgres graphpost serve $(ARGS)

test: $(UV)
	$(TEST) pytest -n $(CORES) --dist loadgroup $(ARGS)

crash: $(UV)
	$(TEST) pytest -m crash tests/crash $(ARGS)

model: $(UV)
	$(TEST) pytest tests/model --model-examples 300 $(ARGS)

check: $(UV)
	$(TEST) ruff format --check .
	$(TEST) ruff check .
	$(TEST) mypy
	$(TEST) pytest -q tests/architecture tests/docs

format: $(UV)
	$(TEST) ruff format .
	$(TEST) ruff check --fix .

bench: $(UV)
	$(TEST) python -m bench $(ARGS)

.uv/bin/uv:
	python3 -m venv .uv && .uv/bin/pip install --quiet --disable-pip-version-check 'uv>=0.13,<0.14'
