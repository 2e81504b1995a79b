"""A method with the arguments that it takes."""

import inspect

import keras_balance as kb
from keras_balance.runs.config import unknown

# Given by the recipe's network, never by --set.
_NETWORK = {"self", "encoders", "num_classes", "fusion", "preprocessing"}


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
    taken = parameters(slug)
    for name in typed:
        if name not in taken:
            raise unknown(f"argument of {slug}", name, taken)
    return {k: v for k, v in offered.items() if k in taken} | typed


def parameters(slug):
    """Names of a method's hyper-parameters.

    Those of its class and of the classes below `BalancedModel` that it passes
    further arguments on to.
    """
    classes = kb.methods.load(slug).__mro__
    names = set()
    for one in classes[: classes.index(kb.BalancedModel)]:
        if "__init__" in vars(one):
            signature = inspect.signature(one.__init__).parameters.values()
            names |= {p.name for p in signature if p.kind != p.VAR_KEYWORD}
    return names - _NETWORK
