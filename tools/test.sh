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
numeric=(benchmark conformance encoders engine fusions methods models
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

# Tests compile many equal networks: the cache spares JAX most of them, and
# quick code serves them as well as fast code.
logs=$(mktemp -d)
trap 'rm -rf "$logs"' EXIT
export JAX_COMPILATION_CACHE_DIR="$logs/jax"
export JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS=0
export JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES=-1
export XLA_FLAGS="${XLA_FLAGS:-} --xla_backend_optimization_level=0"

# suite NAME BACKEND ARG..: one pytest process, shown when it has ended. Its
# exit status 5 is "no test was selected".
suite() {
    local name=$1 backend=$2 status=0
    shift 2
    KERAS_BACKEND=$backend python -m pytest "${marks[@]}" "$@" \
        >"$logs/$name.log" 2>&1 || status=$?
    [ "$status" -ne 5 ] || status=0
    echo "$status" >"$logs/$name.status"
    echo "=== $name"
    cat "$logs/$name.log"
}

folders=()
ignored=()
for folder in "${numeric[@]}"; do
    [ ! -d "tests/$folder" ] || folders+=("tests/$folder")
    ignored+=("--ignore=tests/$folder")
done

# numbers BACKEND ARG..: the folders whose tests run a backend.
numbers() {
    local backend=$1
    shift
    suite "$backend" "$backend" "${folders[@]}" "$@"
}

# common BACKEND ARG..: everything else, which starts processes of its own.
common() {
    local backend=$1
    shift
    XLA_FLAGS='' suite common "$backend" tests "${ignored[@]}" "$@"
}

# Two lanes, one for each core that a small machine has, about equally long.
if [ "${#backends[@]}" -eq 3 ]; then
    {
        numbers jax "$@"
        common jax "$@"
    } &
    numbers tensorflow "$@"
    numbers torch "$@"
    wait
else
    numbers "${backends[0]}" "$@"
    common "${backends[0]}" "$@"
fi

echo "=== summary"
failed=0
for name in "${backends[@]}" common; do
    echo "$name: $(tail -n 1 "$logs/$name.log")"
    [ "$(cat "$logs/$name.status")" -eq 0 ] || failed=1
done
exit "$failed"
