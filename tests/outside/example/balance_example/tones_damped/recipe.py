"""Damped training on Tones: a small recipe, to copy its shape."""

import dataclasses
import functools

from keras_balance.protocols import networks
from keras_balance.protocols import optimizers
from keras_balance.protocols import schedules
from keras_balance.protocols.config import setting


@dataclasses.dataclass(frozen=True)
class Config(networks.Fused, optimizers.Optimizer, schedules.StepDown):
    """Every number of the experiment."""

    epochs: int = setting(4, source="paper")
    batch_size: int = setting(8, source="paper")
    learning_rate: float = setting(0.05, source="paper")
    decay_epoch: int = setting(3, source="ours")
    fusion: str = setting("largest", source="paper")
    width: int = setting(8, "features of an encoder", source="ours")


VARIANTS = {"paper": {}, "code": {"learning_rate": 0.01}}
DEMO = {"epochs": 2, "decay_epoch": 1}
DEMO_DATA = {"seed": 0}


def settings(config):
    """How Tones is read: as its own defaults say."""
    return {}


def network(config):
    """A dense encoder for each modality, and the fusion.

    Audio is a log spectrogram (33, 63, 1), visual is (8, 8, 1).
    """
    from keras_balance import encoders
    from keras_balance.preprocessing import ImageScale
    from keras_balance.preprocessing import LogSpectrogram

    return networks.network(
        config,
        stored={"audio": (4000,), "visual": (8, 8)},
        front_ends={"audio": LogSpectrogram(64, 64), "visual": ImageScale()},
        encoder=functools.partial(encoders.dense, units=(config.width,)),
    )


optimizer = optimizers.optimizer
learning_rate = schedules.step_down
