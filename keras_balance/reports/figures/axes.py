"""How axes show their numbers."""


def percent(axis):
    """Shows an axis of shares in percent, with no decimal that says nothing."""
    axis.set_major_formatter(_percent)


def _percent(share, place):
    return f"{100 * share:.4g} %".replace("-", "−")
