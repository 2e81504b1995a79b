#!/usr/bin/env bash
# Tests the tensorflow-io reader in an environment of its own, because its
# native library loads with TensorFlow 2.16 only. It needs Python 3.11 or 3.12.
#
#   bash tools/test_tfio.sh [ARG ..]    ARG .. go to pytest
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

folder=${KERAS_BALANCE_TFIO_VENV:-.venv-tfio}
for python in python3.11 python3.12 python3 python; do
    "$python" -c 'import sys
sys.exit(sys.version_info[:2] not in ((3, 11), (3, 12)))' 2>/dev/null && break
    python=
done
[ -n "$python" ] || {
    echo "Expected Python 3.11 or 3.12 on PATH, found none." >&2
    exit 2
}

wanted=$(cksum <tools/constraints-tfio.txt)
[ -x "$folder/bin/python" ] || "$python" -m venv "$folder"
if [ "$(cat "$folder/installed" 2>/dev/null)" != "$wanted" ]; then
    echo "Installing TensorFlow 2.16 and tensorflow-io into $folder"
    "$folder/bin/python" -m pip install --quiet --disable-pip-version-check \
        --requirement tools/constraints-tfio.txt
    echo "$wanted" >"$folder/installed"
fi

export KERAS_BACKEND=tensorflow TF_CPP_MIN_LOG_LEVEL=2 PYTHONPATH=.
exec "$folder/bin/python" -m pytest tests/tfio "$@"
