"""Checks of hyper-parameters; each raises a ValueError that names them."""

import math

VARIANTS = ("paper", "code")


def check_choice(name, value, choices):
    """Where `value` is none of `choices`."""
    if value not in choices:
        raise ValueError(
            f"{name} must be one of {tuple(choices)}. Received: "
            f"{name}={value!r}"
        )


def check_variant(value):
    """Where `value` is neither "paper" nor "code"."""
    check_choice("variant", value, VARIANTS)


def check_number(name, value, least=0.0, most=math.inf):
    """Where `value` is no finite number from `least` to `most`."""
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not number or not math.isfinite(value) or not least <= value <= most:
        limit = f" and at most {most}" if most < math.inf else ""
        raise ValueError(
            f"{name} must be a finite number of at least {least}{limit}. "
            f"Received: {name}={value!r}"
        )


def check_count(name, value, least=1):
    """Where `value` is no integer of at least `least`."""
    whole = isinstance(value, int) and not isinstance(value, bool)
    if not whole or value < least:
        raise ValueError(
            f"{name} must be an integer of at least {least}. Received: "
            f"{name}={value!r}"
        )


def check_window(window):
    """Where `window` is neither None nor (first, last)."""
    if window is None:
        return
    pair = isinstance(window, (list, tuple)) and len(window) == 2
    pair = pair and all(isinstance(epoch, int) for epoch in window)
    if not pair or not 0 <= window[0] <= window[1]:
        raise ValueError(
            "window must be (first, last) with 0 <= first <= last, epochs "
            f"counted from 0, or None. Received: window={window!r}"
        )


def check_shares(name, value, modalities):
    """Where `value` is neither None nor a weight for each modality."""
    if value is None:
        return
    if not isinstance(value, dict) or set(value) != set(modalities):
        raise ValueError(
            f"{name} must be a dict with a weight for each of "
            f"{list(modalities)}, or None. Received: {name}={value!r}"
        )
    for modality, weight in value.items():
        check_number(f"{name}[{modality!r}]", weight)
    if not sum(value.values()):
        raise ValueError(
            f"{name} must not all be 0. Received: {name}={value!r}"
        )
