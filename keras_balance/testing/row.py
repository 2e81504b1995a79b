"""How the conformance test constructs a method, and what it expects of it."""

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
        passes: how many times an encoder is run to train, over the phases.
        settles: whether later epochs go through fewer phases.
        falls: the metric that training lowers, where the loss itself changes
            its meaning between epochs.
    """

    slug: str
    arguments: dict = field(default_factory=dict)
    neutral: dict | None = None
    random: bool = False
    phases: int = 1
    alternates: bool = False
    passes: int = 1
    settles: bool = False
    falls: str = "loss"

    @property
    def id(self):
        values = [str(v) for v in self.arguments.values()]
        return "-".join([self.slug, *values])
