"""Whether a prediction is as often right as it is sure."""

from keras_balance.reports import figures
from keras_balance.reports.page import Html
from keras_balance.reports.page import section
from keras_balance.reports.page import tag

_LEAD = (
    "Test samples in bins of the highest probability. Bars and line: share "
    "that is right; on the dotted line a prediction is as often right as it "
    "is sure, below it is overconfident. Underneath: samples of each bin."
)


def reliability(run):
    """A diagram of the fused prediction and of each modality's."""
    test = run.evaluation["test"]
    found = test.get("reliability", {})
    if not found:
        return Html("")
    curves = [("fused", None, test)] + [
        (name, index, test["per_modality"].get(name, {}))
        for index, name in enumerate(run.modalities)
    ]
    drawn = [
        figures.reliability(name, found[name], color, scores.get("ece"))
        for name, color, scores in curves
        if name in found
    ]
    grid = tag("div", *drawn, class_="figures small")
    return section("Reliability, test split", grid, lead=_LEAD)
