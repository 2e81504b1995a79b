#!/usr/bin/env bash
# Plants the faults of tools/mutations.toml, and fails while a test misses one.
#
#   bash tools/mutate.sh [NAME ..]
source "$(dirname "${BASH_SOURCE[0]}")/environment.sh"

environment tensorflow,jax,torch,encoders,test
exec python tools/mutate.py "$@"
