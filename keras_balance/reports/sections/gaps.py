"""How far apart two modalities are, in scores and in features."""

from keras_balance.reports.page import Html
from keras_balance.reports.page import number
from keras_balance.reports.page import section
from keras_balance.reports.page import table

_LEAD = (
    "Score gap: mean difference of the probabilities that two modalities' "
    "own logits give the true class, without its sign. Representation gap: "
    "distance between the mean unit-length features of two modalities, where "
    "both have as many dimensions. The features of two encoders share no "
    "axes, so read the latter over training or methods, not as a size."
)


def gaps(run):
    """A table of the gaps of each pair."""
    found = run.evaluation["test"].get("gaps", {})
    score = found.get("score", {})
    representation = found.get("representation", {})
    pairs = dict.fromkeys([*score, *representation])
    if not pairs:
        return Html("")
    rows = [
        [
            pair.replace("|", " and "),
            number(score.get(pair), scale=1.0, digits=3),
            number(representation.get(pair), scale=1.0, digits=3),
        ]
        for pair in pairs
    ]
    headings = ["modalities", "score gap", "representation gap"]
    return section(
        "Gaps between modalities",
        table(headings, rows, class_="numbers"),
        lead=_LEAD,
    )
