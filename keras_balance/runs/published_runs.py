"""The runs that measure what a paper printed."""

import dataclasses
import json

from keras_balance.errors import UsageError
from keras_balance.runs import recipe as recipes
from keras_balance.runs.plan import named
from keras_balance.runs.plan import resolve
from keras_balance.runs.published import published


@dataclasses.dataclass(frozen=True)
class PublishedRun:
    """A run of one method with some settings, and the numbers it measures.

    Args:
        slug: the method.
        pairs: list of texts `key=value` for `--set`.
        rows: list of `keras_balance.runs.published.Printed`.
    """

    slug: str
    pairs: list
    rows: list


def published_runs(recipe, variant, methods, pairs=()):
    """The runs that a paper's tables ask for, each of them once.

    Args:
        recipe: name of the recipe.
        variant: `"paper"` or `"code"`.
        methods: the slugs to keep; all where there are none.
        pairs: texts of `--set` for every run.

    Returns:
        `(runs, others)`: a list of `PublishedRun` and one of the rows that no
        run measures, `Printed`. Together they are the paper's rows.

    Raises:
        UsageError: nothing is published, of these methods or at all; or a
            text of `pairs` is about a setting that the rows set themselves.
    """
    rows = published(recipe)
    kept = [row for row in rows if not methods or row.slug in methods]
    if not kept:
        known = ", ".join(dict.fromkeys(row.slug for row in rows)) or "none"
        raise UsageError(
            f"Expected methods that {recipe} has published numbers of: "
            f"{known}. Received: {', '.join(methods) or 'none published'}",
            f"keras-balance recipe {recipe} --help",
        )
    _check_free(kept, pairs)
    runs = {}
    for row in kept:
        if row.measurable:
            one = PublishedRun(row.slug, [*pairs, *row.pairs], [])
            runs.setdefault(_identity(row, variant), one).rows.append(row)
    return list(runs.values()), [row for row in kept if not row.measurable]


def _check_free(rows, pairs):
    taken = {pair.partition("=")[0] for row in rows for pair in row.pairs}
    for pair in pairs:
        if pair.partition("=")[0] in taken:
            raise UsageError(
                "Expected --set of what no row of the paper sets. Received: "
                f"--set {pair}; the rows set {', '.join(sorted(taken))}",
                "leave it away, or run the method without --published",
            )


def _identity(row, variant):
    """What two rows of one run agree in: method and every setting."""
    module = recipes.load(row.recipe)
    config, _, arguments = resolve(module, row.slug, variant, False, row.pairs)
    return row.slug, json.dumps(named(config, arguments), sort_keys=True)
