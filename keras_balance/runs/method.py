"""A method with the arguments that it takes."""

import keras_balance as kb
from keras_balance.errors import UsageError
from keras_balance.runs.config import unknown

# What a run's name and files tell by an option of its own.
_OTHERWISE = {
    "variant": "--variant",
    "modality": "--set modality=NAME",
}


def arguments(slug, offered, typed):
    """The keyword arguments that a method is made with.

    Args:
        slug: the method.
        offered: dict of the recipe's hyper-parameters; those that the
            method's constructor does not name are left out.
        typed: dict of what the user set by name.

    Returns:
        dict.

    Raises:
        UsageError: the constructor does not name an argument of `typed`.
    """
    check_arguments(slug, typed)
    taken = parameters(slug)
    return {k: v for k, v in offered.items() if k in taken} | typed


def check_arguments(slug, typed, others=()):
    """Refuse arguments that a method has not; without Keras.

    Args:
        slug: the method.
        typed: iterable of names.
        others: names that are set without "method.", of which one may be
            meant.

    Raises:
        UsageError: as above; or there is an option for it.
    """
    taken = parameters(slug)
    for name in typed:
        if name in _OTHERWISE:
            raise UsageError(
                f"Expected {_OTHERWISE[name]}. Received: --set method.{name}"
            )
        if name not in taken:
            raise unknown(f"argument of {slug}", name, taken, others=others)


def parameters(slug):
    """Names of a method's hyper-parameters.

    Those of its class and of the classes below `BalancedModel` that it passes
    further arguments on to.
    """
    return set(kb.methods.arguments(slug))
