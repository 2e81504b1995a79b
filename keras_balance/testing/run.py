"""Every check of a method, one after the other."""


def checks():
    """All checks; imports Keras, which `--help` need not wait for."""
    from keras_balance.testing import edge_cases
    from keras_balance.testing import saving
    from keras_balance.testing import tracing
    from keras_balance.testing import training

    return (
        *training.CHECKS,
        *tracing.CHECKS,
        *saving.CHECKS,
        *edge_cases.CHECKS,
    )


def run_method_tests(row):
    """Runs the conformance test of a method on the backend in use.

    Args:
        row: `Row`, how the method is constructed.

    Raises:
        AssertionError: names every check that failed, with its message.
    """
    failures = []
    every = checks()
    for check in every:
        try:
            check(row)
        except Exception as error:
            failures.append((check.__name__, error))
    if failures:
        lines = [
            f"{name}: {type(error).__name__}: {error}"
            for name, error in failures
        ]
        raise AssertionError(
            f"{row.id} fails {len(failures)} of {len(every)} checks:\n"
            + "\n".join(lines)
        ) from failures[0][1]
