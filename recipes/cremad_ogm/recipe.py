"""OGM-GE on CREMA-D: Peng et al., CVPR 2022."""

import dataclasses
import functools

from keras_balance import fusions
from keras_balance.runs.config import RunConfig
from keras_balance.runs.config import setting
from keras_balance.runs.recipe import Info

INFO = Info(
    title="OGM-GE on CREMA-D, emotion from voice and face",
    paper=(
        "Peng, Wei, Deng, Wang, Hu: Balanced Multimodal Learning via "
        "On-the-fly Gradient Modulation. CVPR 2022, arXiv 2203.15332"
    ),
    dataset="cremad",
    size="3.0 GB, 7,442 clips",
    modalities=("audio", "visual"),
    default_method="ogm-ge",
    needs="a GPU with 12 GB, hours; with --demo minutes on 2 CPU cores",
)
SAMPLE_RATE = 22050
SECONDS = 3


@dataclasses.dataclass(frozen=True)
class Config(RunConfig):
    """The experiment of the paper's Table 1, with its default values."""

    momentum: float = setting(0.9, "of SGD")
    weight_decay: float = setting(1e-4, "L2, added to the gradient")
    decay_epoch: int = setting(70, "first epoch of the lower learning rate")
    decay_factor: float = setting(0.1, "of the learning rate from there on")
    fusion: str = setting("concat", "fusion", choices=tuple(fusions.names()))
    heads: bool = setting(False, "unimodal heads, for film and gated")
    alpha: float = setting(0.8, "of the OGM family")
    window: tuple[int, int] | None = setting(
        (0, 50), "epochs in which the OGM family acts, both included"
    )
    encoder: str = setting(
        "resnet18", "of both modalities", choices=("resnet18", "convolutional")
    )
    frames: int = setting(3, "of a clip, among those at one per second")
    image_size: int = setting(224, "side of the square crop, in pixels")
    frame_size: tuple[int, int] = setting((360, 480), "height,width stored")
    split: str = setting(
        "paper",
        "the paper's lists, or actors in one part only",
        choices=("paper", "actors"),
    )
    validation: float = setting(0.1, "share of train, stratified")
    split_seed: int = setting(0, "of the validation part")


# The code opens one frame and keeps the epoch with the best test accuracy.
VARIANTS = {
    "paper": {},
    "code": {"frames": 1, "validation": 0.0, "selection": "test"},
}
DEMO = {
    "epochs": 12,
    "batch_size": 16,
    "learning_rate": 0.03,
    "decay_epoch": 9,
    "validation": 0.2,
    "encoder": "convolutional",
    "image_size": 64,
    "frame_size": (72, 96),
}
DEMO_DATA = {"seed": 0, "clips": 240, "actors": 8, "size": [72, 96]}


def settings(config):
    """How CREMA-D is decoded and split."""
    from keras_balance.data import cremad

    return cremad.Settings(
        sample_rate=SAMPLE_RATE,
        seconds=SECONDS,
        frames=config.frames,
        frame_size=config.frame_size,
        split=config.split,
        validation=config.validation,
        split_seed=config.split_seed,
    )


def network(config):
    """Front ends, encoders and fusion, all trained from scratch.

    Audio is a log spectrogram (257, 188, 1), visual frames are
    (frames, side, side, 3); channels come first where the backend likes it.
    """
    import keras

    from keras_balance import encoders
    from keras_balance.preprocessing import FrameAugmentation
    from keras_balance.preprocessing import LogSpectrogram
    from keras_balance.runs.network import output_shape

    stored = {
        "audio": (SAMPLE_RATE * SECONDS,),
        "visual": (config.frames, *config.frame_size, 3),
    }
    preprocessing = {
        "audio": LogSpectrogram(512, 353),
        "visual": FrameAugmentation(config.image_size),
    }
    encoder = encoders.get(config.encoder)
    if config.encoder == "convolutional":
        encoder = functools.partial(encoder, filters=(16, 32, 64, 64))
    return {
        "encoders": {
            name: encoder(output_shape(layer, stored[name]))
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
    """What the paper sets of its own methods; others keep their defaults."""
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
