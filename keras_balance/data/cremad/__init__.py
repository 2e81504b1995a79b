"""CREMA-D: acted emotional speech, audio and frontal video.

7,442 clips of 91 actors, 12 sentences, 6 emotions (Cao et al., "CREMA-D:
Crowd-sourced Emotional Multimodal Actors Dataset", 2014). A clip is named
`Actor_Sentence_Emotion_Level`, such as `1001_DFA_ANG_XX`.
"""

import dataclasses

import numpy as np

from keras_balance.arguments import check_choice
from keras_balance.arguments import check_count
from keras_balance.arguments import check_number
from keras_balance.data.cremad.demo import write_demo
from keras_balance.data.cremad.doctor import ClipDoctor
from keras_balance.data.cremad.doctor import item_of
from keras_balance.data.cremad.fetch import fetch
from keras_balance.data.cremad.names import CLASSES
from keras_balance.data.cremad.names import KNOWN_BAD
from keras_balance.data.cremad.names import clips_on_disk
from keras_balance.data.cremad.split import read_paper_split
from keras_balance.data.cremad.split import split
from keras_balance.data.dataset import DataSet
from keras_balance.data.dataset import Input
from keras_balance.data.decoding import media
from keras_balance.data.decoding import readers

SPLITS = ("paper", "actors")
SHORTEST = 0.01  # seconds of a wave
MOST = 0.99  # of train, for validation


@dataclasses.dataclass(frozen=True)
class Settings:
    """How CREMA-D is read and split.

    Attributes:
        sample_rate: of the wave, in Hz.
        seconds: length of the wave; shorter clips are repeated.
        frames: number of frames of a clip, of those at one per second.
        frame_size: `(height, width)`; frames of another size are resized.
        split: `"paper"` (train.csv and test.csv) or `"actors"` (disjoint).
        validation: fraction cut from train.
        split_seed: seed of the cut.
        reader: `"pyav"` or `"tensorflow-io"`.
    """

    sample_rate: int = 22050
    seconds: float = 3
    frames: int = 3
    frame_size: tuple[int, int] = (360, 480)
    split: str = "paper"
    validation: float = 0.1
    split_seed: int = 0
    reader: str = "pyav"

    def __post_init__(self):
        check_choice("split", self.split, SPLITS)
        check_count("sample_rate", self.sample_rate)
        check_number("seconds", self.seconds, least=SHORTEST)
        check_count("frames", self.frames)
        for side in self.frame_size:
            check_count("frame_size", side)
        check_number("validation", self.validation, 0, MOST)


class CREMAD(DataSet):
    """Clips in two folders; the parts are the paper's lists, or actors."""

    Settings = Settings
    Doctor = ClipDoctor
    classes = CLASSES
    known = KNOWN_BAD
    fetch = staticmethod(fetch)
    split = staticmethod(split)
    write_demo = staticmethod(write_demo)

    def clips(self, data_dir):
        """Lists the clips of which a file is there, sorted by name."""
        clips = clips_on_disk(data_dir)
        if not clips:
            raise self.not_here(
                "AudioWAV/*.wav and VideoFlash/*.flv with names such as "
                "1001_DFA_ANG_XX",
                data_dir,
            )
        return clips

    def may_validate(self, settings):
        # Where the split is by actors, one of them at least validates.
        return settings.split == "actors" or settings.validation > 0

    def items(self, data_dir, settings):
        parts = dict.fromkeys(self.clips(data_dir))
        if settings.split == "paper":
            # Listed clips are expected: a missing one is found here.
            for part, listed in read_paper_split(data_dir).parts.items():
                parts |= dict.fromkeys(listed, part)
        return [item_of(data_dir, clip, parts[clip]) for clip in sorted(parts)]

    def inputs(self, settings):
        samples = round(settings.sample_rate * settings.seconds)
        frames = (settings.frames, *settings.frame_size, 3)
        return {
            "audio": Input((samples,), "float32"),
            "visual": Input(frames, "uint8"),
        }

    def decode(self, item, settings, rng=None):
        reader, rate = readers.get(settings.reader), settings.sample_rate
        wav, flv = item.files
        warnings = []
        known = item.name in self.known
        wave = reader.read_audio(wav, rate, allow_silent=known)
        if not wave.any():
            warnings.append(f"{item.name}: silent, as published; kept.")
        frames = reader.read_frames(flv, per_second=1, allow_short=known)
        if len(frames) < settings.frames:
            warnings.append(
                f"{item.name}: expected {settings.frames} frames at one per "
                f"second. Received: {len(frames)}; the last is repeated."
            )
        # n frames at one per second are of n - 1 to n seconds.
        if not (len(frames) - 1) / 2 <= len(wave) / rate <= 2 * len(frames):
            text = f"{len(wave) / rate:.1f} s, its pictures {len(frames)} s"
            text = f"the sound lasts {text}; one may be cut."
            warnings.append(f"{item.name}: {text}")
        frames = frames[choose_frames(len(frames), settings.frames)]
        return {
            "audio": tile(wave, self.inputs(settings)["audio"].shape[0]),
            "visual": media.resize_frames(frames, settings.frame_size),
        }, warnings


def tile(wave, samples):
    """Repeats a wave to a length, and clips it to [-1, 1].

    Args:
        wave: float32 array of shape `(n,)`, n > 0.
        samples: the length wanted.

    Returns:
        float32 array of shape `(samples,)`.
    """
    return np.clip(np.resize(wave, samples), -1.0, 1.0).astype("float32")


def choose_frames(available, wanted):
    """Chooses frames: the first one, or equidistant ones with both ends.

    Args:
        available: number of frames that there are, at least 1.
        wanted: number of frames to choose.

    Returns:
        int64 array of shape `(wanted,)`; where there are too few, all of them
        and the last one again.
    """
    if available < wanted:
        return np.minimum(np.arange(wanted), available - 1)
    if wanted == 1:
        return np.zeros(1, "int64")
    # Integer arithmetic: the middle of two frames is always the later one.
    steps = np.arange(wanted) * (available - 1)
    return (2 * steps + wanted - 1) // (2 * (wanted - 1))
