"""The typed configuration of a recipe: fields with a text and a source."""

import dataclasses

SOURCES = {
    "paper": "printed in the paper",
    "code": "from the authors' released code",
    "ours": "chosen here: neither the paper nor its code says",
}


# What a class keeps of a field below where it says nothing itself.
_KEPT = ("choices", "least", "most")


def setting(default, help=None, *, source, choices=None, least=None, most=None):
    """A field of a configuration.

    Args:
        default: the recipe's value.
        help: the text that `--help` shows; None where a class below has it,
            and what is allowed, and only the default is another one.
        source: where the default is from, a key of `SOURCES`.
        choices: tuple of what is allowed, or None.
        least: the smallest number that is allowed, or None.
        most: the largest one, or None.

    Raises:
        ValueError: another source.
    """
    if source not in SOURCES:
        raise ValueError(
            f"expected source to be one of {', '.join(SOURCES)}. Received: "
            f"source={source!r}"
        )
    metadata = {"help": help, "source": source}
    metadata |= {"choices": choices, "least": least, "most": most}
    return dataclasses.field(default=default, metadata=metadata)


@dataclasses.dataclass(frozen=True)
class RunConfig:
    """What every recipe has; a recipe's `Config` adds its own fields."""

    epochs: int = setting(
        100,
        "epochs, all phases of a method together",
        source="ours",
        least=1,
    )
    batch_size: int = setting(64, "samples a step", source="ours", least=1)
    learning_rate: float = setting(
        1e-3, "of the first epoch", source="ours", least=0
    )
    selection: str = setting(
        "validation",
        "which split's accuracy picks the epoch that is evaluated",
        source="ours",
        choices=("validation", "test", "last"),
    )
    probe_every: int = setting(
        10,
        "epochs between linear probes of the encoders; 0 is never",
        source="ours",
        least=0,
    )
    modality: str = setting(
        "",
        "for --method unimodal: this one only (empty: each in turn)",
        source="ours",
    )

    def __init_subclass__(cls):
        """Gives fields without a text the one of the class below."""
        for name, field in list(vars(cls).items()):
            if not isinstance(field, dataclasses.Field):
                continue
            own = field.metadata
            if own.get("help") is None:
                below = cls._below(name).metadata
                allowed = {
                    key: below[key] if own[key] is None else own[key]
                    for key in _KEPT
                }
                told = setting(
                    field.default,
                    below["help"],
                    source=own["source"],
                    **allowed,
                )
                setattr(cls, name, told)

    @classmethod
    def _below(cls, name):
        for base in filter(dataclasses.is_dataclass, cls.__mro__[1:]):
            for field in dataclasses.fields(base):
                if field.name == name:
                    return field
        raise TypeError(
            f"expected a help text for the new setting {name} of "
            f"{cls.__qualname__}. Received: help=None"
        )
