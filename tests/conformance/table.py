"""The methods that every conformance test runs. Adding one is adding a row."""

from dataclasses import dataclass
from dataclasses import field


@dataclass(frozen=True)
class Row:
    """One method, as the tests construct it.

    Attributes:
        slug: the method.
        arguments: arguments of its class, beside encoders and classes.
        neutral: arguments that make it equal joint training, or None.
        random: whether the step draws random numbers.
        phases: how many phases its first epochs go through.
        alternates: whether a step runs one encoder only.
    """

    slug: str
    arguments: dict = field(default_factory=dict)
    neutral: dict | None = None
    random: bool = False
    phases: int = 1
    alternates: bool = False

    @property
    def id(self):
        values = [str(v) for v in self.arguments.values()]
        return "-".join([self.slug, *values])


ROWS = (
    Row("joint", neutral={}),
    Row("unimodal", {"modality": "audio"}),
    Row("ogm", neutral={"alpha": 0.0}),
    Row("ogm", {"variant": "code"}, neutral={"alpha": 0.0}),
    Row("ogm", {"apply_to": "update"}, neutral={"alpha": 0.0}),
    Row("ogm-ge", {"seed": 1}, random=True),
    Row("ogm-ge", {"seed": 1, "variant": "code"}, random=True),
    Row("ogm-ge", {"seed": 1, "apply_to": "update"}, random=True),
    Row("ge", {"seed": 1}, random=True),
    Row("multi-loss"),
    Row("mlb"),
    Row("mlb", {"variant": "code"}),
    Row("mlb", {"variant": "code", "fusion": "gated"}),
    Row("alternating", alternates=True),
    Row("alternating", {"granularity": "epoch"}, phases=2, alternates=True),
    Row(
        "alternating",
        {"granularity": "stage", "stage_epochs": 1},
        phases=2,
        alternates=True,
    ),
    Row("pmr", {"subset": 1.0}, neutral={"alpha": 0.0, "mu": 0.0}),
    Row(
        "modality-drop", {"seed": 1}, neutral={"rate": 0.0}, random=True
    ),
    Row(
        "modality-drop",
        {"seed": 1, "per": "sample", "rescale": True},
        random=True,
    ),
)
