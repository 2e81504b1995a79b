"""CREMA-D: acted emotional speech, audio and frontal video.

7,442 clips of 91 actors, 12 sentences, 6 emotions (Cao et al., "CREMA-D:
Crowd-sourced Emotional Multimodal Actors Dataset", 2014). A clip is named
`Actor_Sentence_Emotion_Level`, such as `1001_DFA_ANG_XX`.
"""

import dataclasses
from pathlib import Path

import numpy as np

from keras_balance.data.cremad.demo import write_demo
from keras_balance.data.cremad.doctor import doctor
from keras_balance.data.cremad.fetch import fetch
from keras_balance.data.cremad.names import CLASSES
from keras_balance.data.cremad.names import KNOWN_BAD
from keras_balance.data.cremad.names import clip_files
from keras_balance.data.cremad.names import clips_on_disk
from keras_balance.data.cremad.names import label_of
from keras_balance.data.cremad.split import read_paper_split
from keras_balance.data.cremad.split import split
from keras_balance.data.decoding import media
from keras_balance.data.decoding import readers
from keras_balance.data.preparation.prepare import Item
from keras_balance.data.preparation.prepare import Job
from keras_balance.data.preparation.prepare import prepare_rows
from keras_balance.data.preparation.prepared import PreparedData

__all__ = [
    "CLASSES",
    "Settings",
    "doctor",
    "fetch",
    "prepare",
    "split",
    "write_demo",
]

NAME = "cremad"
TITLE = "CREMA-D"
LICENCE = "Open Database License 1.0 (contents: DbCL 1.0)"
SIZE = "3.0 GB (wav 606 MB, flv 2.4 GB), 7,442 clips"
LAYOUT = """\
DATA_DIR/
    AudioWAV/1001_DFA_ANG_XX.wav ...      7,442 files
    VideoFlash/1001_DFA_ANG_XX.flv ...    7,442 files
    train.csv, test.csv                   the paper's lists: clip,EMOTION
A git clone of CheyneyComputerScience/CREMA-D (with git-lfs) has the two
folders; the lists are in data/CREMAD of GeWu-Lab/OGM-GE_CVPR2022.
"""
SPLITS = ("paper", "actors")


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
    frame_size: tuple = (360, 480)
    split: str = "paper"
    validation: float = 0.1
    split_seed: int = 0
    reader: str = "pyav"

    def __post_init__(self):
        if self.split not in SPLITS:
            raise ValueError(
                f"expected split to be one of {', '.join(SPLITS)}. Received: "
                f"split={self.split!r}"
            )
        if self.frames < 1 or self.sample_rate < 1 or self.seconds <= 0:
            raise ValueError(
                "expected frames, sample_rate and seconds above 0. Received: "
                f"frames={self.frames}, sample_rate={self.sample_rate}, "
                f"seconds={self.seconds}"
            )


def prepare(
    data_dir,
    cache_dir,
    settings,
    *,
    on_error="fail",
    workers=None,
    progress=None,
):
    """Decodes CREMA-D once to memory-mapped arrays.

    Args:
        data_dir: the folder described by `LAYOUT`.
        cache_dir: where the arrays go; never `data_dir`.
        settings: `Settings`.
        on_error: `"fail"` or `"skip"`, what to do about broken clips.
        workers: number of decoding threads, or None.
        progress: callable `(done, total, description)` or None.

    Returns:
        `PreparedData` with `audio` (N, samples) float32 in [-1, 1] and
        `visual` (N, frames, height, width, 3) uint8, sorted by clip name.

    Raises:
        UsageError: where clips are missing or broken, or the disk is full.
    """
    job = _job(Path(data_dir), settings)
    shards = prepare_rows(
        job, cache_dir, on_error=on_error, workers=workers, progress=progress
    )
    return PreparedData(
        arrays={name: shards.select(name) for name in job.arrays},
        labels=shards.labels,
        names=shards.names,
        checksum=shards.checksum,
        folder=shards.folder,
        skipped=shards.skipped,
        warnings=shards.warnings,
    )


def _job(data_dir, settings):
    reader = readers.get(settings.reader)
    clips = set(clips_on_disk(data_dir))
    if settings.split == "paper":
        # Listed clips are expected: a missing one is found here.
        for listed in read_paper_split(data_dir).parts.values():
            clips.update(listed)
    samples = round(settings.sample_rate * settings.seconds)
    return Job(
        name=NAME,
        front_end={
            "sample_rate": settings.sample_rate,
            "samples": samples,
            "frames": settings.frames,
            "frame_size": list(settings.frame_size),
            "reader": settings.reader,
        },
        items=[
            Item(clip, label_of(clip), clip_files(data_dir, clip))
            for clip in sorted(clips)
        ],
        arrays={
            "audio": ((samples,), "float32"),
            "visual": ((settings.frames, *settings.frame_size, 3), "uint8"),
        },
        decode=lambda item: _decode(item, settings, samples, reader),
    )


def _decode(item, settings, samples, reader):
    wav, flv = item.files
    warnings = []
    silence = item.name in KNOWN_BAD
    wave = reader.read_audio(wav, settings.sample_rate, allow_silent=silence)
    if not wave.any():
        warnings.append(f"{item.name}: silent, as published; kept.")
    frames = reader.read_frames(flv, per_second=1)
    if len(frames) < settings.frames:
        warnings.append(
            f"{item.name}: expected {settings.frames} frames at one per "
            f"second. Received: {len(frames)}; the last is repeated."
        )
    frames = frames[choose_frames(len(frames), settings.frames)]
    return {
        "audio": tile(wave, samples),
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
