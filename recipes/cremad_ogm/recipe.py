"""OGM-GE on CREMA-D: Peng et al., CVPR 2022."""

import dataclasses

from keras_balance.protocols import networks
from keras_balance.protocols import optimizers
from keras_balance.protocols import schedules
from keras_balance.protocols import stages
from keras_balance.protocols.config import setting

SAMPLE_RATE = 22050
SECONDS = 3


@dataclasses.dataclass(frozen=True)
class Config(networks.ImageEncoder, optimizers.Optimizer, schedules.StepDown):
    """The experiment of the paper's table of fusion methods."""

    epochs: int = setting(100, source="code")
    batch_size: int = setting(64, source="paper")
    learning_rate: float = setting(1e-3, source="paper")
    optimizer: str = setting("sgd", source="paper")
    momentum: float = setting(0.9, source="code")
    weight_decay: float = setting(1e-4, source="code")
    decay_epoch: int = setting(70, source="code")
    decay_factor: float = setting(0.1, source="code")
    fusion: str = setting("concat", source="paper")
    encoder: str = setting("resnet18", source="paper")
    frames: int = setting(3, "of those at one per second", source="paper")
    image_size: int = setting(224, "of the crop", source="code", least=1)
    frame_size: tuple[int, int] = setting(
        (360, 480), "height and width stored", source="ours"
    )
    split: str = setting(
        "paper",
        "the paper's lists, or actors in one part only",
        source="code",
        choices=("paper", "actors"),
    )
    validation: float = setting(
        0.1, "stratified from train", source="ours", least=0, most=0.9
    )
    split_seed: int = setting(0, "of the validation part", source="ours")


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
STAGES = stages.unimodal_teachers(("audio", "visual"), ("umt",), source="ours")


def settings(config):
    """How CREMA-D is decoded and split."""
    own = ("frames", "frame_size", "split", "validation", "split_seed")
    return {
        "sample_rate": SAMPLE_RATE,
        "seconds": SECONDS,
        **{name: getattr(config, name) for name in own},
    }


def network(config):
    """Front ends, encoders and fusion, all trained from scratch.

    Audio is a log spectrogram (257, 188, 1), visual frames are
    (frames, side, side, 3).
    """
    from keras_balance.preprocessing import FrameAugmentation
    from keras_balance.preprocessing import LogSpectrogram

    return networks.network(
        config,
        stored={
            "audio": (SAMPLE_RATE * SECONDS,),
            "visual": (config.frames, *config.frame_size, 3),
        },
        front_ends={
            "audio": LogSpectrogram(512, 353),
            "visual": FrameAugmentation(config.image_size),
        },
        encoder=networks.image_encoder(config),
    )


optimizer = optimizers.optimizer
learning_rate = schedules.step_down
