# Sourced by demo.sh, test.sh and format.sh: one virtual environment, .venv,
# with the versions of constraints.txt.

set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# A Python that every pinned wheel exists for.
find_python() {
    local candidate
    for candidate in python3 python3.13 python3.12 python3.11 python; do
        if "$candidate" -c 'import sys
sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null; then
            echo "$candidate"
            return
        fi
    done
    echo "Expected Python 3.11, 3.12 or 3.13 on PATH, found none." >&2
    exit 2
}

# environment EXTRAS [PACKAGE ...]: install the project, editable, with these
# extras and packages; a second call with the same ones installs nothing.
environment() {
    local extras=$1 stamp wanted
    shift
    stamp=".venv/installed-${extras//,/-}"
    wanted=$(cat pyproject.toml tools/constraints.txt | cksum)
    [ -x .venv/bin/python ] || "$(find_python)" -m venv .venv
    if [ "$(cat "$stamp" 2>/dev/null)" != "$wanted" ]; then
        echo "Installing keras-balance[$extras] into .venv"
        .venv/bin/python -m pip install --quiet --disable-pip-version-check \
            --constraint tools/constraints.txt --editable ".[$extras]" "$@"
        echo "$wanted" >"$stamp"
    fi
    export PATH="$PWD/.venv/bin:$PATH"
}
