"""Two methods over the same seeds: is their difference more than noise?"""

import dataclasses
import math
import statistics

LEAST_SEEDS = 3
CONFIDENCE = 0.95


@dataclasses.dataclass(frozen=True)
class Paired:
    """The differences of two methods, one of each seed that both ran.

    Args:
        seeds: list of the common seeds.
        mean: mean difference, or None without a common seed.
        low: lower end of the 95 % interval of the mean, or None.
        high: upper end, or None.
        p: two-sided p of the paired t-test, or None.
        reason: why there is no p, in a few words; empty where there is one.
    """

    seeds: list
    mean: float | None = None
    low: float | None = None
    high: float | None = None
    p: float | None = None
    reason: str = ""


def paired_difference(values, reference):
    """Student's paired t-test of `values - reference`, seed by seed.

    A rank or permutation test cannot suit here: with three seeds the smallest
    p of a two-sided sign-flip test is 0.25, with five 0.0625. The t-test
    takes the differences to be normal, which so few of them cannot show.

    Args:
        values: dict of seed to number.
        reference: dict of seed to number.

    Returns:
        A `Paired`. It has no interval with fewer than three common seeds, and
        no p where the differences are all alike.
    """
    seeds = sorted(set(values) & set(reference))
    if not seeds:
        return Paired(seeds, reason="no common seed")
    differences = [values[seed] - reference[seed] for seed in seeds]
    mean = statistics.fmean(differences)
    if len(seeds) < LEAST_SEEDS:
        return Paired(seeds, mean, reason=f"needs {LEAST_SEEDS} seeds")
    error = statistics.stdev(differences) / math.sqrt(len(seeds))
    # Equal differences of floats differ in their last bits.
    if error <= 1e-12 * max(1.0, abs(mean)):
        return Paired(seeds, mean, mean, mean, reason="equal differences")
    from scipy import stats

    student = stats.t(len(seeds) - 1)
    reach = student.ppf((1 + CONFIDENCE) / 2) * error
    p = 2 * student.sf(abs(mean) / error)
    return Paired(seeds, mean, mean - reach, mean + reach, float(p))


def holm(p_values):
    """P-values adjusted for their number, after Holm (1979).

    Args:
        p_values: list of numbers or None; None is no test and not counted.

    Returns:
        list of the same length: the p at which the step-down procedure
        rejects, at most 1; None stays None.
    """
    tested = [i for i, p in enumerate(p_values) if p is not None]
    adjusted = [None] * len(p_values)
    largest = 0.0
    for rank, i in enumerate(sorted(tested, key=lambda i: p_values[i])):
        largest = max(largest, (len(tested) - rank) * p_values[i])
        adjusted[i] = min(1.0, largest)
    return adjusted
