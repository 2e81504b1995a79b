"""What a reader must know to judge the numbers."""

from keras_balance.evaluation.page import Html
from keras_balance.evaluation.page import bullets
from keras_balance.evaluation.page import section


def notes(run):
    """The notes of the recipe and the runner, in their words."""
    texts = run.evaluation.get("notes", [])
    return section("Notes", bullets(texts)) if texts else Html("")
