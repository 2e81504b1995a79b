"""A tiny generated AV-digits, in the true formats: idx.gz and 8 kHz wav."""

from pathlib import Path

import numpy as np
import soundfile

from keras_balance.data.avdigits.files import CLASSES
from keras_balance.data.avdigits.files import SIDE
from keras_balance.data.decoding.idx import write_idx

RATE = 8000
SPEAKERS = ("ada", "ben", "cleo", "dan")
# The segments of a seven-segment display, as (top, left, bottom, right).
SEGMENTS = {
    "a": (4, 8, 7, 20),
    "b": (4, 18, 15, 21),
    "c": (13, 18, 24, 21),
    "d": (21, 8, 24, 20),
    "e": (13, 7, 24, 10),
    "f": (4, 7, 15, 10),
    "g": (12, 8, 15, 20),
}
DIGITS = (
    *("abcdef", "bc", "abged", "abgcd", "fgbc"),
    *("afgcd", "afgedc", "abc", "abcdefg", "abcdfg"),
)


def write_demo(folder, *, seed=0, images=600, indices=15, progress=None):
    """Writes a demo AV-digits.

    The images are easy (jittered seven-segment digits); the recordings are
    tones in noise, harder. MNIST's train files are absent, as in a partial
    copy. The same arguments give the same bytes.

    Args:
        folder: where to write; made where needed.
        seed: integer.
        images: number of images.
        indices: recordings of each digit by each speaker, at least 11.
        progress: callable `(done, total, description)` or None.
    """
    if images < 100 or indices < 11:
        raise ValueError(
            "expected at least 100 images and 11 indices. Received: "
            f"images={images}, indices={indices}"
        )
    folder = Path(folder)
    recordings = folder / "fsdd" / "recordings"
    recordings.mkdir(parents=True, exist_ok=True)
    (folder / "mnist").mkdir(exist_ok=True)
    rng = np.random.default_rng([seed, 0])
    labels = rng.permutation(np.arange(images) % len(CLASSES))
    pixels = np.stack([_picture(label, rng) for label in labels])
    write_idx(folder / "mnist" / "t10k-images-idx3-ubyte.gz", pixels)
    write_idx(folder / "mnist" / "t10k-labels-idx1-ubyte.gz", labels)
    total, done = len(CLASSES) * len(SPEAKERS) * indices, 0
    for digit in range(len(CLASSES)):
        for s, speaker in enumerate(SPEAKERS):
            for index in range(indices):
                rng = np.random.default_rng([seed, 1, digit, s, index])
                path = recordings / f"{digit}_{speaker}_{index}.wav"
                wave = _voice(digit, s, rng)
                soundfile.write(path, wave, RATE, subtype="PCM_16")
                done += 1
                if progress is not None:
                    progress(done, total, "writing the demo set")


def _picture(label, rng):
    """A digit, moved and in noise: uint8 of shape (28, 28)."""
    picture = np.zeros((SIDE, SIDE))
    for name in DIGITS[label]:
        top, left, bottom, right = SEGMENTS[name]
        picture[top:bottom, left:right] = rng.uniform(120, 255)
    picture = np.roll(picture, rng.integers(-3, 4, 2), (0, 1))
    noise = 25 * np.abs(rng.standard_normal(picture.shape))
    return np.clip(picture + noise, 0, 255).astype("uint8")


def _voice(digit, speaker, rng):
    """Two tones that tell the digit, in noise: float64 in [-1, 1]."""
    time = np.arange(round(rng.uniform(0.3, 0.8) * RATE)) / RATE
    own = 2 ** (0.12 * speaker) * 2 ** rng.uniform(-0.04, 0.04)
    low, high = 200 * 1.18**digit, 900 * 1.13 ** ((digit * 3) % len(CLASSES))
    tone = np.sin(2 * np.pi * low * own * time)
    tone += 0.5 * np.sin(2 * np.pi * high * own * time)
    fade = np.hanning(len(time))
    noise = rng.standard_normal(len(time))
    return np.clip(0.3 * tone * fade + 0.12 * noise, -1, 1)
