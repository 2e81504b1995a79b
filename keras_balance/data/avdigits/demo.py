"""A tiny generated AV-digits, in the true formats: idx.gz and 8 kHz wav."""

from pathlib import Path

import numpy as np
import soundfile

from keras_balance.data.decoding.idx import write_idx
from keras_balance.data.demo.digits import spoken_digit
from keras_balance.data.demo.digits import written_digit

RATE = 8000
SPEAKERS = ("ada", "ben", "cleo", "dan")
CLASSES = 10


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
    labels = rng.permutation(np.arange(images) % CLASSES)
    pixels = np.stack([written_digit(label, rng) for label in labels])
    write_idx(folder / "mnist" / "t10k-images-idx3-ubyte.gz", pixels)
    write_idx(folder / "mnist" / "t10k-labels-idx1-ubyte.gz", labels)
    total = CLASSES * len(SPEAKERS) * indices
    for done in range(total):
        voice, index = divmod(done, indices)
        digit, s = divmod(voice, len(SPEAKERS))
        rng = np.random.default_rng([seed, 1, digit, s, index])
        path = recordings / f"{digit}_{SPEAKERS[s]}_{index}.wav"
        wave = spoken_digit(digit, s, RATE, rng)
        soundfile.write(path, wave, RATE, subtype="PCM_16")
        if progress is not None:
            progress(done + 1, total, "writing the demo set")
