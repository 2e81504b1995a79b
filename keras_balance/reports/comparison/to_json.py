"""The comparison as plain values."""

import dataclasses

from keras_balance.reports.comparison.baseline import beside_joint
from keras_balance.reports.comparison.published import paper_table
from keras_balance.reports.comparison.text import group_ranks


def group_json(group):
    """A `Group` as a dict of plain values; shares, not percent."""
    beside = {id(one.row): one for one in beside_joint(group)}
    ranks = group_ranks(group)
    return {
        "recipe": group.recipe,
        "backend": group.backend,
        "demo": group.demo,
        "data_checksum": group.checksum,
        "split": group.split,
        "differing_settings": group.varied,
        "differing_versions": group.versions,
        "differing_machines": group.machines,
        "rows": [
            {
                "method": row.method,
                "variant": row.variant,
                "settings": row.settings,
                "seeds": row.seeds,
                "folds": row.folds,
                "runs": [str(run.folder) for run in row.runs],
                "metrics": {m: row.statistics(m) for m in group.metrics},
                "mean_rank": rank,
                "beside_joint": _beside(beside.get(id(row))),
            }
            for row, rank in zip(group.rows, ranks, strict=True)
        ],
        "published": _published(paper_table(group)),
    }


def _beside(one):
    if one is None:
        return None
    return {
        "joint_settings": one.joint.settings,
        "metric": "accuracy",
        "test": "Student's paired t-test, two-sided, 95 % interval",
        **dataclasses.asdict(one.difference),
        "p_holm": one.p_holm,
        "time": one.time,
        "passes": one.passes,
    }


def _published(paper):
    if paper is None:
        return []
    return [
        {**printed.entry, "ours": printed.own}
        for line in paper.lines
        for printed in line.numbers.values()
    ]
