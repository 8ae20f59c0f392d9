# Everything runs in .venv, made from the lock files: every download is checked against its hash.
# `make` alone lists what there is to do. PYTHON names the interpreter, ARGS is passed on.

PYTHON ?= python3
PY     := .venv/bin/python
WHEEL  := build/wheel-venv/bin/python

# Quiet unless something fails: pip's remarks about its own set-up are nobody's business here.
PIP_INSTALL := -m pip install -qq --no-input --disable-pip-version-check --no-warn-script-location

# What the suite reads besides the wheel. No service/ and no migrations/: those must come from it.
WHEEL_TEST_FILES = $(wildcard .ci CHANGELOG.md Makefile README.md benchmarks deploy docs fixtures \
                              pyproject.toml tests)

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules

# Many a container forbids byte code. Here hundreds of processes start, and each would compile all.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help serve demo charts test test-clients test-browser test-wheel check check-format check-lint \
        check-types check-imports check-migrations check-docs bench screenshots format lock clean

help:
	@bold= dim= plain=; \
	if [ -t 1 ] && [ -z "$$NO_COLOR" ]; then \
	    bold=$$(printf '\033[1;36m') dim=$$(printf '\033[2m') plain=$$(printf '\033[0m'); fi; \
	awk -F ':.*## ' -v b="$$bold" -v d="$$dim" -v p="$$plain" ' \
	    BEGIN { print "\nModel catalog: make <target>" } \
	    /^##@/ { print "\n" d substr($$0, 5) p } \
	    /^[a-z-]+:.*## / { printf "  %s%-12s%s %s\n", b, $$1, p, $$2 } \
	    END { print "\n" d "ARGS=… is passed on, as in: make test ARGS=\"-k diff -x\"" p "\n" }' \
	    $(firstword $(MAKEFILE_LIST))

##@ Run

serve: .venv/runtime.stamp  ## Serve the catalog, kept in an embedded database
	@exec $(PY) -m service serve $(ARGS)

# The demonstration shows all there is, so it tries to have charts; it does without them, too.
demo: .venv/runtime.stamp  ## Serve without network, from a replayed gateway
	@$(MAKE) --silent --no-print-directory .venv/charts.stamp 2>/dev/null || \
	    echo 'What draws charts cannot be had here: /explore will show tables.'
	@exec $(PY) -m fixtures.demo $(ARGS)

charts: .venv/charts.stamp  ## Install what draws the charts of /explore

##@ Verify

test: .venv/dev.stamp  ## Run the tests
	@$(PY) -m pytest -n 3 --dist worksteal $(ARGS)

# One after the other: they are heavy, and impatient with a server that others keep waiting.
test-clients: .venv/dev.stamp  ## Install the real tools that read the catalog, and point them at it
	@$(PY) -m tests.clients.install
	@$(PY) -m pytest tests/clients $(ARGS)

# One after the other as well: a page that is measured must have the machine to itself.
test-browser: .venv/dev.stamp  ## Use the pages as people do, in a real browser; judge and measure them
	@$(PY) -m tests.browser.install
	@$(PY) -m pytest tests/browser $(ARGS)

# The wheel is made from the sdist, so that both are known to be whole.
test-wheel: .venv/dev.stamp build/wheel-venv/stamp  ## Run the tests against the built wheel
	@rm -rf build/dist
	@$(PY) -m hatchling build -t sdist -d build/dist
	@$(PY) -m pip wheel -qq --no-input --disable-pip-version-check --no-cache-dir --no-deps \
	    --no-build-isolation -w build/dist build/dist/model_catalog-*.tar.gz
	@$(WHEEL) $(PIP_INSTALL) --no-deps --force-reinstall build/dist/model_catalog-*.whl
	@set -e; python="$(CURDIR)/$(WHEEL)"; unset PYTHONPATH; \
	dir=$$(mktemp -d); trap 'rm -rf "$$dir"' EXIT; trap 'exit 130' INT TERM; \
	cp -R $(WHEEL_TEST_FILES) "$$dir"; cd "$$dir"; \
	"$$python" -c "$$WHEEL_IS_UNDER_TEST"; \
	"$$python" -m pytest -n 3 --dist worksteal $(ARGS)

check: check-format check-lint check-types check-imports check-migrations check-docs  ## Check format, lint, types, imports, migrations and docs
	@echo '== all checks passed'

# Warnings are errors here too: what is deprecated is met now, not in an upgrade.
CHECK := PYTHONWARNINGS=error $(PY)

check-format: .venv/dev.stamp
	@echo '== format: ruff format --check'
	@$(CHECK) -m ruff format --check .

check-lint: .venv/dev.stamp
	@echo '== lint: ruff check'
	@$(CHECK) -m ruff check .

check-types: .venv/dev.stamp
	@echo '== types: mypy'
	@$(CHECK) -m mypy

check-imports: .venv/dev.stamp
	@echo '== imports: lint-imports'
	@PYTHONWARNINGS=error .venv/bin/lint-imports

check-migrations: .venv/dev.stamp
	@echo '== migrations: one head, and the tables are what the code says (alembic check)'
	@set -e; dir=$$(mktemp -d); trap 'rm -rf "$$dir"' EXIT; trap 'exit 130' INT TERM; \
	export MODEL_CATALOG_DATABASE_URL="sqlite+aiosqlite:///$$dir/check.db"; \
	heads=$$($(CHECK) -m alembic heads); echo "$$heads"; \
	[ "$$(echo "$$heads" | grep -c '(head)')" -eq 1 ] || { echo 'There must be one head.' >&2; exit 1; }; \
	$(CHECK) -m alembic upgrade head; \
	$(CHECK) -m alembic check

check-docs: .venv/dev.stamp
	@echo '== migrations up, down and up again; docs that say what the code does: pytest'
	@$(PY) -m pytest -q tests/test_migrations.py tests/test_docs.py

bench: .venv/dev.stamp  ## Measure on this machine
	@$(PY) -m benchmarks $(ARGS)

##@ Change

screenshots: .venv/dev.stamp  ## Take the pictures of the docs again, of the real program
	@$(PY) -m tests.browser.install
	@$(PY) -m tests.browser.screenshots

format: .venv/dev.stamp  ## Format the code and mend what can be mended
	@$(PY) -m ruff format .
	@$(PY) -m ruff check --fix .

# uv resolves for every platform and Python at once, which pip cannot. Pins are kept while they
# satisfy pyproject.toml; ARGS=--upgrade takes the newest.
lock: .venv/runtime.stamp  ## Make the lock files again (ARGS=--upgrade: newest versions)
	@$(PY) $(PIP_INSTALL) 'uv>=0.9'
	@$(COMPILE) pyproject.toml --group build -o requirements.lock
	@$(COMPILE) pyproject.toml --group dev -c requirements.lock -o requirements-dev.lock
	@$(COMPILE) --group clients -o tests/clients/python.lock
	@$(COMPILE) --group aider -o tests/clients/aider.lock
	@$(COMPILE) --group browser -o tests/browser/python.lock
	@command -v npm >/dev/null || { echo 'No npm here: the locks of its clients stay.'; exit 0; }; \
	for set in clients/npm clients/cline clients/redocly browser/npm; do \
	    npm --prefix tests/$$set install --package-lock-only --ignore-scripts \
	        --omit-lockfile-registry-resolved --no-audit --no-fund --loglevel=error || exit 1; done

COMPILE = $(PY) -m uv pip compile --quiet --universal --python-version 3.11 \
          --generate-hashes --no-emit-index-url --no-emit-find-links \
          --custom-compile-command 'make lock' $(ARGS)

clean:  ## Remove everything made here, the environments too (no catalog is touched)
	@rm -rf .venv build dist .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Environments. A stamp is newer than the lock it was made from, or it is made again.

# pyproject.toml: the entry point and the version are written into the environment at install.
.venv/runtime.stamp: requirements.lock pyproject.toml
	@$(MAKE_VENV) .venv
	@echo 'Installing what the service needs into .venv …'
	@$(PY) $(PIP_INSTALL) --require-hashes -r requirements.lock
	@$(PY) $(PIP_INSTALL) --no-deps --no-build-isolation -e .
	@touch $@

.venv/dev.stamp: requirements-dev.lock .venv/runtime.stamp
	@echo 'Installing the developer tools into .venv …'
	@$(PY) $(PIP_INSTALL) --require-hashes -r requirements-dev.lock
	@touch $@

# The extra `charts` is one package, which needs no other: its pin is that of the developer tools.
.venv/charts.stamp: requirements-dev.lock .venv/runtime.stamp
	@echo 'Installing what draws charts into .venv …'
	@sed -n '/^vl-convert-python==/,/^ *# via/p' requirements-dev.lock >.venv/charts.lock
	@$(PY) $(PIP_INSTALL) --retries 1 --require-hashes -r .venv/charts.lock
	@touch $@

build/wheel-venv/stamp: requirements-dev.lock
	@$(MAKE_VENV) build/wheel-venv
	@echo 'Installing what the tests need beside the wheel into build/wheel-venv …'
	@$(WHEEL) $(PIP_INSTALL) --require-hashes -r requirements-dev.lock
	@touch $@

# Takes the folder as its argument; an environment that works is kept, a half-made one is not.
MAKE_VENV = make_venv() { \
	"$$1/bin/python" -c "import pip; $(NEW_ENOUGH)" 2>/dev/null && return; \
	"$(PYTHON)" -c "$(NEW_ENOUGH)" 2>/dev/null || { \
	    echo "Python 3.11 or newer is needed; $(PYTHON) is $$("$(PYTHON)" --version 2>/dev/null || echo not there)." >&2; \
	    echo 'Name another one: make PYTHON=python3.12 …' >&2; return 1; }; \
	"$(PYTHON)" -m venv --clear "$$1" || { \
	    echo 'On Debian and Ubuntu, venv is a package of its own: python3-venv.' >&2; return 1; }; \
	}; make_venv

NEW_ENOUGH = import sys; sys.exit(sys.version_info < (3, 11))

define WHEEL_IS_UNDER_TEST
from pathlib import Path
import sysconfig
import service

package = Path(service.__file__).parent
assert package.parent == Path(sysconfig.get_path("purelib")), f"not the wheel: {package}"
assert (package / "migrations" / "env.py").is_file(), "the wheel has no migrations"
print(f"== the wheel, as installed in {package}", flush=True)
endef
export WHEEL_IS_UNDER_TEST
