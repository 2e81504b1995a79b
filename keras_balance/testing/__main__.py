"""What Keras users do with a model, for each method.

python -m keras_balance.testing --matrix [--methods SLUG ..] [--uses NAME ..]
"""

import argparse
import sys


def main(words=None):
    """Prints a line for each method and use; status 1 where one fails."""
    parser = argparse.ArgumentParser(
        prog="python -m keras_balance.testing",
        description="Tries what Keras users do with a model on each method, "
        "on the backend of KERAS_BACKEND.",
    )
    parser.add_argument(
        "--matrix", action="store_true", required=True, help="print the table"
    )
    parser.add_argument(
        "--methods", nargs="+", metavar="SLUG", help="these methods only"
    )
    parser.add_argument(
        "--uses", nargs="+", metavar="NAME", help="these uses only"
    )
    options = parser.parse_args(words)

    import keras

    from keras_balance import methods
    from keras_balance.testing.matrix import short_row
    from keras_balance.testing.matrix import state
    from keras_balance.testing.uses import USES

    known = {use.__name__: use for use in USES}
    unknown = sorted(set(options.uses or ()) - set(known))
    if unknown:
        parser.error(f"--uses must be of {', '.join(known)}. Got: {unknown}")
    slugs = options.methods or methods.names()
    for slug in set(slugs) - set(methods.names()):
        parser.error(f"no method has the name {slug!r}")
    failed = 0
    for slug in slugs:
        for name in options.uses or known:
            found = state(short_row(slug), known[name])
            failed += found.startswith("FAILS")
            print(keras.config.backend(), slug, name, found, sep="\t")
            sys.stdout.flush()
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
