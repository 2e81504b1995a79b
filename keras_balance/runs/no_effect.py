"""Settings that change nothing beside the others: they are said."""


def without_effect(config, names):
    """Which settings have no effect, and why.

    Args:
        config: a recipe's configuration.
        names: of the settings that are not the recipe's own.

    Returns:
        list of sentences. What only the data can tell, such as a validation
        part of their own, is told where they are split.
    """
    reasons = _reasons(config)
    return [
        f"{name}={getattr(config, name)} has no effect: {reasons[name]}."
        for name in names
        if name in reasons
    ]


def _reasons(config):
    """Dict from a setting to why it has no effect, in this configuration."""
    values = vars(config)
    found = {}
    optimizer = values.get("optimizer", "sgd")
    if optimizer != "sgd":
        found["momentum"] = f"optimizer={optimizer} has none"
    if values.get("decay_epoch", 0) >= config.epochs:
        late = (
            f"with epochs={config.epochs} the lower learning rate, from "
            f"decay_epoch={config.decay_epoch} on, never comes"
        )
        found["decay_epoch"] = found["decay_factor"] = late
    elif values.get("decay_factor") == 1:
        found["decay_epoch"] = "decay_factor=1.0 is no lower learning rate"
    if config.probe_every > config.epochs:
        found["probe_every"] = f"there are but {config.epochs} epochs"
    return found
