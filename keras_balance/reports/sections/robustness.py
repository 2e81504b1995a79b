"""What noise on a modality, or its absence, costs."""

from keras_balance.reports import figures
from keras_balance.reports.figures import Line
from keras_balance.reports.page import Html
from keras_balance.reports.page import section
from keras_balance.reports.page import tag

_LEAD = (
    "Fused test accuracy when one modality is disturbed and the others are "
    "left alone. Noise: Gaussian, on the preprocessed input, its deviation in "
    "units of that input's own. Missing: that share of the samples has the "
    "modality set to zero, before its encoder."
)
_KINDS = {
    "noise": ("Noise", "level", "deviation of the noise"),
    "missing": ("Missing samples", "share", "share of the samples, %"),
}


def robustness(run):
    """Curves of accuracy over noise and over missing samples."""
    found = run.evaluation.get("analysis", {}).get("robustness", {})
    drawn = [_figure(run, found, kind) for kind in _KINDS]
    if not any(drawn):
        return Html("")
    grid = tag("div", *drawn, class_="figures")
    return section("Robustness", grid, lead=_LEAD)


def _figure(run, found, kind):
    title, key, across = _KINDS[kind]
    lines = []
    for index, name in enumerate(run.modalities):
        points = found.get(name, {}).get(kind, [])
        places = [point[key] for point in points]
        values = [point["accuracy"] for point in points]
        lines.append(Line(name, values, index, across=places))
    return figures.curves(
        title,
        max((line.across for line in lines), key=len, default=[]),
        lines,
        unit="%",
        across=across,
        alone=f"Robustness: {title.lower()}",
    )
