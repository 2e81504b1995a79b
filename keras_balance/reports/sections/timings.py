"""Where the time went."""

from keras_balance.reports.page import Html
from keras_balance.reports.page import definitions
from keras_balance.reports.page import section


def timings(run):
    """Wall-clock time of each step, as written by the runner."""
    seconds = run.evaluation.get("seconds", {})
    if not seconds:
        return Html("")
    pairs = [(name.replace("_", " "), _text(v)) for name, v in seconds.items()]
    lead = "Wall-clock time; of a resumed run, that of its last process."
    return section("Time", definitions(pairs), lead=lead)


def _text(seconds):
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s"
