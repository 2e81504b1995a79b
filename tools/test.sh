#!/usr/bin/env bash
# The whole test suite from a bare clone.
#
#   bash tools/test.sh                 on the three backends, without what is
#                                      marked full
#   bash tools/test.sh --full          everything
#   bash tools/test.sh --fast          the inner loop: one backend
#                                      (KERAS_BACKEND, else jax), no slow test
#   bash tools/test.sh [--fast|--full] ARG..  ARG.. go to pytest: -k ogm
#
# Tests on real files need KERAS_BALANCE_TEST_DATA; without it they are
# skipped and say so.
source "$(dirname "${BASH_SOURCE[0]}")/environment.sh"

# Folders whose tests run a backend: one pytest process each per backend.
numeric=(conformance encoders engine fusions models optimizers preprocessing)
# Folders that check each method's numbers, on the last backend alone: that a
# method does the same on all is tests/parity.
oracles=(methods benchmark)
backends=(jax tensorflow torch)
marks=(-m "not full")
case ${1:-} in
--fast)
    shift
    backends=("${KERAS_BACKEND:-jax}")
    marks=(-m "not slow and not full")
    ;;
--full)
    shift
    marks=()
    ;;
esac

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

ignored=()
for folder in "${numeric[@]}" "${oracles[@]}" parity; do
    ignored+=("--ignore=tests/$folder")
done

# suite PART ARG..: one pytest process. A part is a backend, for the folders
# whose tests run one; "parity", which compares the backends; or "common",
# everything else. Its exit status 5 is "no test was selected".
suite() {
    local part=$1 backend=$1 status=0 paths=("${numeric[@]/#/tests/}")
    shift
    case $part in
    "${backends[-1]}") paths+=("${oracles[@]/#/tests/}") ;;
    parity) paths=(tests/parity) backend=${backends[0]} ;;
    common)
        paths=(tests "${ignored[@]}") backend=${backends[-1]}
        unset XLA_FLAGS
        ;;
    esac
    KERAS_BACKEND=$backend python -m pytest "${marks[@]}" "${paths[@]}" "$@" \
        >"$logs/$part.log" 2>&1 || status=$?
    [ "$status" -ne 5 ] || status=0
    echo "$status" >"$logs/$part.status"
    echo "=== $part"
    cat "$logs/$part.log"
}

# The longest first, as many at a time as there are cores.
parts=("${backends[@]}" common parity)
cores=$(env -u OMP_NUM_THREADS nproc)
for part in "${parts[@]}"; do
    while [ "$(jobs -rp | wc -l)" -ge "$cores" ]; do
        wait -n
    done
    suite "$part" "$@" &
done
wait

echo "=== summary"
failed=0
for part in "${parts[@]}"; do
    echo "$part: $(tail -n 1 "$logs/$part.log")"
    [ "$(cat "$logs/$part.status")" -eq 0 ] || failed=1
done
exit "$failed"
