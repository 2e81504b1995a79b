"""Which classes were taken for which, on the test split."""

from keras_balance.reports import figures
from keras_balance.reports.page import section
from keras_balance.reports.page import tag


def confusion(run):
    """Confusion matrices of the fused prediction and of each modality."""
    test = run.evaluation["test"]
    names = test["class_names"]
    drawn = [figures.confusion("fused", test["confusion"], names)]
    own = test.get("modality_confusion", {})
    for index, name in enumerate(run.modalities):
        if name in own:
            drawn.append(figures.confusion(name, own[name], names, index))
    small = len(names) <= figures.COUNTS_UP_TO
    return section(
        "Confusion, test split",
        tag("div", *drawn, class_="figures small" if small else "figures"),
        lead="Samples of each true class (row) by predicted class (column). "
        "The shade is the share of the row.",
    )
