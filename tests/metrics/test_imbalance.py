"""Ratios of accuracies beside the table of Hua et al., ICML 2024."""

import pytest

from keras_balance import metrics

# method: accuracy of the audio and of the visual probe in percent, MIR and
# DMC as printed, both recomputed from the printed accuracies.
CREMAD = {
    "uni-train": (56.67, 50.14, 1.13, None, 1.130235, 1.0),
    "concat": (54.86, 26.81, 2.05, 1.81, 2.046251, 1.810465),
    "g-blend": (54.90, 28.05, 1.96, 1.73, 1.957219, 1.731692),
    "ogm-ge": (55.42, 29.17, 1.90, 1.68, 1.899897, 1.680975),
    "pmr": (55.60, 29.21, 1.90, 1.68, 1.903458, 1.684125),
    "umt": (58.47, 45.69, 1.28, 1.13, 1.279711, 1.132252),
    "reconboost": (60.23, 73.01, 0.82, 0.73, 0.824955, 0.729897),
}
AVE = {
    "uni-train": (59.37, 30.46, 1.95, None, 1.949114, 1.0),
    "concat": (55.47, 23.96, 2.32, 1.19, 2.315109, 1.187775),
    "g-blend": (55.80, 24.12, 2.31, 1.19, 2.313433, 1.186915),
    "ogm-ge": (56.51, 25.52, 2.21, 1.14, 2.214342, 1.136076),
    "pmr": (57.20, 26.30, 2.17, 1.12, 2.174905, 1.115843),
    "umt": (60.70, 31.07, 1.95, 1.00, 1.953653, 1.002329),
    "reconboost": (61.20, 39.06, 1.57, 0.80, 1.566820, 0.803863),
}
TABLE = [
    pytest.param(table["uni-train"], row, id=f"{name}-{method}")
    for name, table in {"cremad": CREMAD, "ave": AVE}.items()
    for method, row in table.items()
]


def _accuracies(row):
    return {"audio": row[0], "visual": row[1]}


@pytest.mark.parametrize(("alone", "row"), TABLE)
def test_published_cells(alone, row):
    *_, printed_ratio, printed_degree, ratio, degree = row
    found = metrics.modality_imbalance_ratio(_accuracies(row))
    assert found == pytest.approx(ratio, rel=1e-6)
    assert f"{found:.2f}" == f"{printed_ratio:.2f}"
    found = metrics.degree_of_modality_competition(
        _accuracies(row), _accuracies(alone)
    )
    assert found == pytest.approx(degree, rel=1e-6)
    if printed_degree is not None:
        assert f"{found:.2f}" == f"{printed_degree:.2f}"


def test_the_strong_modality_is_above_the_line():
    accuracies = {"text": 0.25, "audio": 0.5}
    assert metrics.modality_imbalance_ratio(accuracies) == 0.5
    assert metrics.modality_imbalance_ratio(accuracies, strong="audio") == 2.0
    # The order of the second dict does not turn the ratio round.
    assert (
        metrics.degree_of_modality_competition(
            accuracies, {"audio": 0.4, "text": 0.4}
        )
        == 0.5
    )


def test_matrix_of_three():
    matrix = metrics.imbalance_ratio_matrix({"a": 0.8, "b": 0.4, "c": 0.0})
    assert matrix == {
        "a": {"a": 1.0, "b": 2.0, "c": None},
        "b": {"a": 0.5, "b": 1.0, "c": None},
        "c": {"a": 0.0, "b": 0.0, "c": None},
    }
    assert metrics.imbalance_ratio_matrix({}) == {}


def test_no_ratio_to_nothing():
    nothing, some = {"a": 0.5, "b": 0.0}, {"a": 0.5, "b": 0.25}
    assert metrics.modality_imbalance_ratio(nothing) is None
    degree = metrics.degree_of_modality_competition
    assert degree(nothing, some) is degree(some, nothing) is None
    assert degree(some, {"a": 0.0, "b": 0.5}) is None
    assert degree({"a": 0.0, "b": 0.5}, some) == 0.0


@pytest.mark.parametrize(
    ("contributions", "degree"),
    [
        ((0.25, 0.25), 0.0),
        ((0.75, 0.25), 0.5),
        ((0.4, 0.0), 1.0),
        ((0.4, -0.3), 1.0),
        ((0.5, 0.3, 0.2), 0.3),
        ((0.7,), 0.0),
    ],
)
def test_imbalance_degree(contributions, degree):
    named = dict(enumerate(contributions))
    assert metrics.imbalance_degree(named) == pytest.approx(degree)


@pytest.mark.parametrize(
    "contributions", [(-0.1, 0.0), (0.0, 0.0), (0.02, 0.02), (0.3, -0.3)]
)
def test_a_model_at_chance_has_no_imbalance_degree(contributions):
    least = metrics.least_gain(accuracy=0.1, samples=90)
    assert least == pytest.approx(2 * (0.1 * 0.9 / 90) ** 0.5)
    named = dict(enumerate(contributions))
    assert metrics.imbalance_degree(named, least) is None
