"""What a sweep refuses before its first trial."""

from keras_balance.errors import UsageError
from keras_balance.runs import checks
from keras_balance.runs import search_space
from keras_balance.runs.config import unknown
from keras_balance.runs.method import parameters


def arguments(methods):
    """What `--tune` may name of methods: list of `method.<argument>`."""
    return [
        search_space.METHOD + name
        for slug in methods
        for name in parameters(slug)
    ]


def check_free(space, pairs, epochs):
    """Refuse a setting that is tuned and set at once.

    Args:
        space: dict of name to `Choices` or `Range`.
        pairs: the texts of `--set`.
        epochs: the value of `--epochs`, or None.

    Raises:
        UsageError: as above.
    """
    given = {pair.partition("=")[0] for pair in pairs}
    given |= {"epochs"} if epochs is not None else set()
    for name in sorted(given & space.keys()):
        raise UsageError(f"Expected {name} in --tune or fixed. Received: both")


def check_judged(plan, info):
    """Refuse what cannot be judged by the validation part.

    Args:
        plan: `Plan` of a method, with nothing tuned.
        info: the recipe's `Info`.

    Raises:
        UsageError: as above, or a modality that the method does not take.
    """
    config = plan.config
    checks.check_modality(info, config.modality, [plan.method])
    if plan.method == "unimodal" and not config.modality:
        raise UsageError(
            "Expected one modality for --method unimodal. Received: none",
            f"--set modality={info.modalities[0]}",
        )
    if config.selection == "test":
        raise UsageError(
            "Expected epochs that are not selected on the test part. "
            "Received: selection=test",
            "--set selection=validation --set validation=0.1",
        )


def spaces(space, methods, trials):
    """What each method is tried with.

    Args:
        space: dict of name to `Choices` or `Range`.
        methods: list of slugs.
        trials: integer, of each method.

    Returns:
        dict of slug to a space.

    Raises:
        UsageError: an argument that no method takes, a method with nothing to
            tune, or with fewer combinations than trials.
    """
    taken = {slug: parameters(slug) for slug in methods}
    asked = [n for n in space if n.startswith(search_space.METHOD)]
    known = set().union(*taken.values())
    for name in asked:
        argument = name.removeprefix(search_space.METHOD)
        if argument not in known:
            raise unknown("argument of the methods", argument, known)
    found = {
        slug: search_space.for_method(space, taken[slug]) for slug in methods
    }
    for slug, own in found.items():
        points = search_space.combinations(own)
        if points is not None and len(points) < trials:
            tuned = ", ".join(own) or "nothing that it takes"
            raise UsageError(
                f"Expected as many combinations for {slug} as --trials, "
                "which every method has alike. Received: "
                f"--trials {trials}, {len(points)} of {tuned}",
                f"--trials {len(points)}, or a range low:high",
            )
    return found
