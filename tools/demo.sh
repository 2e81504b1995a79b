#!/usr/bin/env bash
# From a bare clone to a report: make the environment, train the main recipe
# on its generated data set (minutes on two CPU cores), say where the report
# is. Arguments go to the command, e.g. `bash tools/demo.sh --seed 1`.
source "$(dirname "${BASH_SOURCE[0]}")/environment.sh"

environment jax
keras-balance recipe cremad-ogm --demo --backend jax "$@"
