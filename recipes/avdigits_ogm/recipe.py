"""OGM-GE on spoken and written digits, in minutes on a CPU."""

import dataclasses

from keras_balance import fusions
from keras_balance.runs.config import RunConfig
from keras_balance.runs.config import setting
from keras_balance.runs.recipe import Info

INFO = Info(
    title="OGM-GE on real spoken and handwritten digits (FSDD + MNIST)",
    paper=(
        "The method of Peng et al., CVPR 2022; the pairing is this "
        "project's, in the manner of AV-MNIST"
    ),
    dataset="avdigits",
    size="35 MB, 70,000 images, 3,000 recordings",
    modalities=("audio", "visual"),
    default_method="ogm-ge",
    needs="minutes on 2 CPU cores",
)
SAMPLE_RATE = 8000


@dataclasses.dataclass(frozen=True)
class Config(RunConfig):
    """A small experiment with the optimizer of the paper."""

    epochs: int = setting(10, "epochs, all phases of a method together")
    learning_rate: float = setting(0.03, "of the first epoch")
    momentum: float = setting(0.9, "of SGD")
    weight_decay: float = setting(1e-4, "L2, added to the gradient")
    decay_epoch: int = setting(7, "first epoch of the lower learning rate")
    decay_factor: float = setting(0.1, "of the learning rate from there on")
    fusion: str = setting("concat", "fusion", choices=tuple(fusions.names()))
    heads: bool = setting(False, "unimodal heads, for film and gated")
    alpha: float = setting(0.8, "of the OGM family")
    window: tuple[int, int] | None = setting(
        None, "epochs in which the OGM family acts, both included"
    )
    width: int = setting(16, "filters of the encoders' first convolution")
    blocks: int = setting(4, "blocks of an encoder, at most 64 filters each")
    seconds: float = setting(1.0, "of a recording")
    split: str = setting(
        "official",
        "recordings by FSDD's index rule, or by held-out speakers",
        choices=("official", "speakers"),
    )
    samples: int | None = setting(None, "in all; none is every image")
    validation: float = setting(0.1, "share of MNIST's train files")
    split_seed: int = setting(0, "of the pairing and the validation part")


# The released code modulates convolution kernels alone; the rest is the same.
VARIANTS = {"paper": {}, "code": {}}
DEMO = {"epochs": 5, "decay_epoch": 4, "batch_size": 32}
DEMO_DATA = {"seed": 0, "images": 600, "indices": 15}


def settings(config):
    """How the digits are decoded, paired and split."""
    from keras_balance.data import avdigits

    return avdigits.Settings(
        sample_rate=SAMPLE_RATE,
        seconds=config.seconds,
        split=config.split,
        samples=config.samples,
        validation=config.validation,
        seed=config.split_seed,
    )


def network(config):
    """Front ends, two small convolutional encoders and the fusion.

    Audio is a log spectrogram (129, 63, 1), visual is (28, 28, 1); channels
    come first where the backend likes it.
    """
    import keras

    from keras_balance import encoders
    from keras_balance.preprocessing import ImageScale
    from keras_balance.preprocessing import LogSpectrogram
    from keras_balance.runs.network import output_shape

    stored = {
        "audio": (round(SAMPLE_RATE * config.seconds),),
        "visual": (28, 28),
    }
    preprocessing = {"audio": LogSpectrogram(256, 128), "visual": ImageScale()}
    filters = [min(config.width * 2**i, 64) for i in range(config.blocks)]
    return {
        "encoders": {
            name: encoders.convolutional(
                output_shape(layer, stored[name]), filters
            )
            for name, layer in preprocessing.items()
        },
        "preprocessing": preprocessing,
        "fusion": fusions.get(
            config.fusion,
            kernel_initializer=keras.initializers.GlorotNormal(),
        ),
        "heads": config.heads,
    }


def arguments(config, method):
    """What the recipe sets of the OGM family; others keep their defaults."""
    if method in ("ogm", "ogm-ge", "ge"):
        return {"alpha": config.alpha, "window": config.window}
    return {}


def optimizer(config):
    """SGD with momentum and L2 in the gradient, as torch.optim.SGD has it."""
    import keras

    from keras_balance.optimizers import CoupledWeightDecay

    sgd = keras.optimizers.SGD(config.learning_rate, momentum=config.momentum)
    return CoupledWeightDecay(sgd, config.weight_decay)


def learning_rate(config, epoch):
    """One step down."""
    late = epoch >= config.decay_epoch
    return config.learning_rate * (config.decay_factor if late else 1.0)
