"""The mean rank of each method over the seeds that all of them ran."""

import statistics


def mean_ranks(values):
    """Ranks within each common seed, averaged over the seeds.

    Args:
        values: list of dicts of seed to number, one a method; higher is
            better.

    Returns:
        list of numbers, 1 being the best; methods that are equal share the
        mean of their places. All None where there is one method alone or no
        seed that all of them have.
    """
    common = set.intersection(*map(set, values)) if values else set()
    if len(values) < 2 or not common:
        return [None] * len(values)
    return [
        statistics.fmean(
            _rank(own[seed], [other[seed] for other in values])
            for seed in common
        )
        for own in values
    ]


def _rank(value, values):
    above = sum(other > value for other in values)
    equal = sum(other == value for other in values)
    return above + (equal + 1) / 2
