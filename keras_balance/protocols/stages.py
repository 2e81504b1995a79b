"""Trainings that come before a run: teachers, encoders trained alone."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Stage:
    """A training that comes before another one of the same recipe.

    Attributes:
        method: slug of what is trained.
        settings: dict of the fields of `Config` that are others than those of
            the run it comes before.
        of: slugs of the methods that it comes before.
        gives: argument of those methods, a dict by modality, that gets the
            trained encoders.
        source: who has it so, a key of `protocols.config.SOURCES`.
        instead_of: argument of theirs that then means nothing.
    """

    method: str
    settings: dict
    of: tuple
    gives: str
    source: str
    instead_of: str = ""


def unimodal_teachers(modalities, of, source):
    """A stage for each modality: its encoder and a linear head, alone.

    Args:
        modalities: names.
        of: slugs of the methods that take `teachers`.
        source: as in `Stage`.

    Returns:
        dict from a modality to its `Stage`, as `STAGES` of a recipe is.
    """
    return {
        name: Stage(
            "unimodal",
            {"modality": name, "fusion": "concat", "heads": False},
            of,
            gives="teachers",
            source=source,
            instead_of="teacher_epochs",
        )
        for name in modalities
    }
