#!/usr/bin/env bash
# The whole test suite from a bare clone.
#
#   bash tools/test.sh                 everything, on the three backends
#   bash tools/test.sh --fast          the inner loop: one backend
#                                      (KERAS_BACKEND, else jax), no slow test
#   bash tools/test.sh [--fast] ARG..  ARG.. go to pytest, e.g. -k ogm
#
# Tests on real files need KERAS_BALANCE_TEST_DATA; without it they are
# skipped and say so.
source "$(dirname "${BASH_SOURCE[0]}")/environment.sh"

# Folders whose tests run a backend: one pytest process each per backend.
numeric=(conformance encoders engine fusions methods models
    optimizers preprocessing)
backends=(tensorflow jax torch)
marks=()
if [ "${1:-}" = "--fast" ]; then
    shift
    backends=("${KERAS_BACKEND:-jax}")
    marks=(-m "not slow")
fi

environment tensorflow,jax,torch,encoders,test

# Small tensors: on a shared machine threads cost more than they give.
export OMP_NUM_THREADS="${OMP_NUM_THREADS:-1}"
export TF_CPP_MIN_LOG_LEVEL="${TF_CPP_MIN_LOG_LEVEL:-2}"

logs=$(mktemp -d)
trap 'rm -rf "$logs"' EXIT
failed=0
summary=()

# suite NAME BACKEND ARG..: one pytest process. 5 is "no test was selected".
suite() {
    local name=$1 backend=$2 status=0
    shift 2
    echo "=== $name"
    KERAS_BACKEND=$backend python -m pytest "${marks[@]}" "$@" \
        2>&1 | tee "$logs/$name" || status=${PIPESTATUS[0]}
    [ "$status" -eq 0 ] || [ "$status" -eq 5 ] || failed=1
    summary+=("$name: $(tail -n 1 "$logs/$name")")
}

folders=()
ignored=()
for folder in "${numeric[@]}"; do
    [ ! -d "tests/$folder" ] || folders+=("tests/$folder")
    ignored+=("--ignore=tests/$folder")
done
for backend in "${backends[@]}"; do
    suite "$backend" "$backend" "${folders[@]}" "$@"
done
suite common "${backends[0]}" tests "${ignored[@]}" "$@"

printf '%s\n' "=== summary" "${summary[@]}"
exit "$failed"
