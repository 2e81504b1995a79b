#!/usr/bin/env bash
# Lint with fixes, then format. `--check` changes nothing and fails instead.
source "$(dirname "${BASH_SOURCE[0]}")/environment.sh"

if ! command -v ruff >/dev/null; then
    [ -x .venv/bin/python ] || "$(find_python)" -m venv .venv
    export PATH="$PWD/.venv/bin:$PATH"
    command -v ruff >/dev/null || python -m pip install --quiet \
        --constraint tools/constraints.txt ruff
fi
if [ "${1:-}" = "--check" ]; then
    ruff check .
    ruff format --check .
else
    ruff check --fix .
    ruff format .
fi
