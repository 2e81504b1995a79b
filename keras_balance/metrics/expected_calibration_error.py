"""Expected calibration error (ECE)."""

from keras_balance.metrics.reliability_curve import reliability_curve


def expected_calibration_error(labels, probabilities, bins=15):
    """Mean distance of confidence and accuracy, over bins of confidence.

        ECE = sum_b (n_b / n) |accuracy_b - confidence_b|

    with the bins of `reliability_curve` (Guo et al., ICML 2017). The papers
    of this field often leave the number of bins out; 10 and 15 are usual,
    and give different numbers.

    Args:
        labels: integers of shape `(samples,)`.
        probabilities: floats of shape `(samples, classes)`, rows sum to 1.
        bins: integer, 1 or more.

    Returns:
        A float in [0, 1]; 0 is calibrated. An empty bin counts nothing.

    Raises:
        ValueError: see `reliability_curve`.
    """
    curve = reliability_curve(labels, probabilities, bins)
    samples = sum(part["count"] for part in curve)
    return sum(
        part["count"] / samples * abs(part["accuracy"] - part["confidence"])
        for part in curve
        if part["count"]
    )
