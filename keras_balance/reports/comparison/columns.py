"""The numbers of a run that a comparison shows, by name."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Column:
    """One number of a run.

    Args:
        name: as in comparison.json.
        heading: text above the column.
        path: keys in evaluation.json, from its top.
        percent: whether it is a share, shown in percent.
        printed: whether the tables show it, or the data files alone.
    """

    name: str
    heading: str
    path: tuple
    percent: bool = True
    printed: bool = True

    def read(self, run):
        """The number of a `Run`, or None where it has none."""
        found = run.evaluation
        for key in self.path:
            found = found.get(key) if isinstance(found, dict) else None
        return found if isinstance(found, (int, float)) else None


_FUSED = (
    Column("accuracy", "accuracy", ("test", "accuracy")),
    Column("macro_f1", "macro F1", ("test", "macro_f1")),
    Column("map", "mAP", ("test", "map")),
    Column("top5", "top-5", ("test", "top5")),
    Column("ece", "ECE", ("test", "ece")),
    Column(
        "imbalance_degree",
        "imbalance (ours)",
        ("analysis", "shapley", "input", "imbalance_degree"),
        percent=False,
    ),
)


def columns(modalities):
    """The columns of runs with these modalities.

    Args:
        modalities: names.

    Returns:
        list of `Column`: of the fused prediction, of each modality's own
        logits and, for the data files, of its linear probe and its Shapley
        contribution with the input masked.
    """
    own = []
    for name in modalities:
        own += [
            Column(
                f"{name}_accuracy",
                name,
                ("test", "per_modality", name, "accuracy"),
            ),
            Column(
                f"{name}_probe_accuracy",
                f"{name} probe",
                ("analysis", "probes", name, "accuracy"),
                printed=False,
            ),
            Column(
                f"{name}_contribution",
                f"{name} Shapley",
                ("analysis", "shapley", "input", "contribution", name),
                printed=False,
            ),
        ]
    return [*_FUSED[:-1], *own, _FUSED[-1]]
