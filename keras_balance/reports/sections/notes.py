"""What a reader must know to judge the numbers."""

from keras_balance.reports.page import Html
from keras_balance.reports.page import bullets
from keras_balance.reports.page import section
from keras_balance.reports.page import tag

_SHOWN = 10


def notes(run):
    """The notes of the recipe and the runner, in their words."""
    texts = run.evaluation.get("notes", [])
    if not texts:
        return Html("")
    return section("Notes", bullets(texts[:_SHOWN]), _rest(texts[_SHOWN:]))


def _rest(texts):
    if not texts:
        return Html("")
    summary = tag("summary", f"{len(texts)} more")
    return tag("details", summary, bullets(texts))
