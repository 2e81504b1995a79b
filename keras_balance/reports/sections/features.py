"""A map of each modality's features in two dimensions."""

from keras_balance.reports import figures
from keras_balance.reports.feature_map import feature_map
from keras_balance.reports.figures.picture import legend
from keras_balance.reports.figures.scatter import class_keys
from keras_balance.reports.page import Html
from keras_balance.reports.page import section
from keras_balance.reports.page import tag
from keras_balance.runs.features import read_features

_LEAD = (
    "Features of {points} of the test split, centred, on their first two "
    "principal axes. The share of the variance that an axis explains stands "
    "beside it; what the other axes hold does not show here."
)


def features(run):
    """Principal components of the features in outputs.npz, by class."""
    found = read_features(run.folder)
    keys = class_keys(run.evaluation["test"]["class_names"])
    drawn, points = [], "every sample"
    for name in run.modalities:
        if name not in found:
            continue
        values, labels = found[name]
        plane = feature_map(values)
        if plane is None:
            continue
        shares = [f"{100 * share:.0f} %" for share in plane.shares]
        drawn.append(
            figures.scatter(
                name,
                plane.points,
                labels[plane.rows],
                keys,
                f"first axis, {shares[0]} of the variance",
                f"second axis, {shares[1]}",
            )
        )
        if len(plane.rows) < len(labels):
            points = f"{len(plane.rows)} samples, drawn at random with "
            points += f"a fixed seed from the {len(labels)}"
    if not drawn:
        return Html("")
    return section(
        "Feature maps",
        _legend(keys),
        tag("div", *drawn, class_="figures"),
        lead=_LEAD.format(points=points),
    )


def _legend(keys):
    if len(keys) <= figures.NAMES_UP_TO:
        return legend(keys)
    text = f"{len(keys)} classes: colours and shapes repeat and are not named."
    return tag("p", text, class_="lead")
