"""The stages of a training in turns, each followed by one of all together."""


def place(epochs, stage_epochs, rectify_epochs):
    """Where training is after a number of epochs.

    Args:
        epochs: integer, how many were trained.
        stage_epochs: integer, the epochs of a modality's turn.
        rectify_epochs: integer, the epochs together after each of them.

    Returns:
        `(stage, rectifies, begins)`: the stage, counted from 0, whether the
        next epoch is one together, and whether it is the first of its kind.
    """
    stage, rest = divmod(epochs, stage_epochs + rectify_epochs)
    return stage, rest >= stage_epochs, rest in (0, stage_epochs)


def plan(modalities, rectify_epochs):
    """The phases: one for each modality at turn and each ensemble.

    Modality k has the turns of the stages k, k + M, k + 2 M and so on, and is
    in the ensemble from the first of them on.

    Args:
        modalities: tuple of M names.
        rectify_epochs: integer, 0 where there is no training together.

    Returns:
        Dict from a phase to `(active, others)`: names of the modalities that
        learn, and of the others in the ensemble.
    """
    count, phases = len(modalities), {}
    # From stage M - 1 on the ensemble is whole, and phases repeat.
    for stage in range(2 * count - 1):
        name = modalities[stage % count]
        others = tuple(m for m in modalities[:stage] if m != name)
        phases[f"stage-{stage}"] = (name,), others
        if stage < count and rectify_epochs:
            phases[f"rectify-{stage + 1}"] = modalities[: stage + 1], ()
    return phases


def phase_at(stage, rectifies, count):
    """The phase of a stage, of those that `plan` makes for `count` names."""
    if rectifies:
        return f"rectify-{min(stage + 1, count)}"
    whole = count - 1
    if stage > whole:
        stage = whole + (stage - whole) % count
    return f"stage-{stage}"
