"""OGM-GE on spoken and written digits, in minutes on a CPU."""

import dataclasses
import functools

from keras_balance.protocols import networks
from keras_balance.protocols import optimizers
from keras_balance.protocols import schedules
from keras_balance.protocols import stages
from keras_balance.protocols.config import setting

SAMPLE_RATE = 8000


@dataclasses.dataclass(frozen=True)
class Config(networks.Fused, optimizers.Optimizer, schedules.StepDown):
    """A small experiment with the optimizer of the paper."""

    epochs: int = setting(10, source="ours")
    learning_rate: float = setting(0.03, source="ours")
    decay_epoch: int = setting(7, source="ours")
    width: int = setting(
        16, "filters of the first convolution", source="ours", least=1
    )
    blocks: int = setting(
        4, "of an encoder, at most 64 filters each", source="ours", least=1
    )
    seconds: float = setting(1.0, "of a recording", source="ours", least=0.1)
    split: str = setting(
        "official",
        "recordings by FSDD's index rule, or by held-out speakers",
        source="ours",
        choices=("official", "speakers"),
    )
    fold: int = setting(
        0, "which speaker tests, with split=speakers", source="ours", least=0
    )
    samples: int | None = setting(
        None, "in all; none is every image", source="ours"
    )
    validation: float = setting(
        0.1, "of MNIST's train files", source="ours", least=0, most=0.9
    )
    split_seed: int = setting(
        0, "of the pairing and the validation part", source="ours"
    )


# The released code modulates convolution kernels alone; the rest is the same.
VARIANTS = {"paper": {}, "code": {}}
DEMO = {"epochs": 5, "decay_epoch": 4, "batch_size": 32}
DEMO_DATA = {"seed": 0, "images": 600, "indices": 15}
STAGES = stages.unimodal_teachers(("audio", "visual"), ("umt",), source="ours")


def settings(config):
    """How the digits are decoded, paired and split."""
    own = ("seconds", "split", "fold", "samples", "validation")
    return {
        "sample_rate": SAMPLE_RATE,
        "seed": config.split_seed,
        **{name: getattr(config, name) for name in own},
    }


def network(config):
    """Front ends, two small convolutional encoders and the fusion.

    Audio is a log spectrogram (129, 63, 1), visual is (28, 28, 1).
    """
    from keras_balance import encoders
    from keras_balance.preprocessing import ImageScale
    from keras_balance.preprocessing import LogSpectrogram

    filters = [min(config.width * 2**i, 64) for i in range(config.blocks)]
    return networks.network(
        config,
        stored={
            "audio": (round(SAMPLE_RATE * config.seconds),),
            "visual": (28, 28),
        },
        front_ends={"audio": LogSpectrogram(256, 128), "visual": ImageScale()},
        encoder=functools.partial(encoders.convolutional, filters=filters),
    )


optimizer = optimizers.optimizer
learning_rate = schedules.step_down
