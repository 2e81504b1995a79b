"""Learning rates by epoch."""

import dataclasses

from keras_balance.protocols.config import RunConfig
from keras_balance.protocols.config import setting


@dataclasses.dataclass(frozen=True)
class StepDown(RunConfig):
    """Adds one step down."""

    decay_epoch: int = setting(
        70, "first epoch of the lower learning rate", source="ours", least=0
    )
    decay_factor: float = setting(
        0.1, "of the learning rate from there on", source="ours", least=0
    )


def step_down(config, epoch):
    """The learning rate of an epoch, one step down at `decay_epoch`.

    Args:
        config: a `StepDown`.
        epoch: integer from 0.

    Returns:
        float.
    """
    late = epoch >= config.decay_epoch
    return config.learning_rate * (config.decay_factor if late else 1.0)
