"""`python -m keras_balance.cli` is `keras-balance`."""

from keras_balance.cli.main import main

main()
