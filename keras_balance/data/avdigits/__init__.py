"""AV-digits: spoken digits (FSDD) paired with handwritten ones (MNIST).

Sample i pairs image i with a recording of its digit from the same part
(train, validation or test), drawn by a fixed seed.
"""

import dataclasses

import numpy as np

from keras_balance.data.avdigits.demo import write_demo
from keras_balance.data.avdigits.doctor import doctor
from keras_balance.data.avdigits.fetch import fetch
from keras_balance.data.avdigits.files import CLASSES
from keras_balance.data.avdigits.files import find_recordings
from keras_balance.data.avdigits.files import parse
from keras_balance.data.avdigits.files import read_images
from keras_balance.data.avdigits.pairs import SPLITS
from keras_balance.data.avdigits.pairs import pair
from keras_balance.data.decoding import readers
from keras_balance.data.loading.splits import PARTS
from keras_balance.data.loading.splits import Split
from keras_balance.data.preparation.prepare import Item
from keras_balance.data.preparation.prepare import Job
from keras_balance.data.preparation.prepare import prepare_rows
from keras_balance.data.preparation.prepared import PreparedData
from keras_balance.data.preparation.prepared import Rows
from keras_balance.data.preparation.prepared import digest

__all__ = [
    "CLASSES",
    "Settings",
    "doctor",
    "fetch",
    "prepare",
    "split",
    "write_demo",
]

NAME = "avdigits"
TITLE = "AV-digits (FSDD + MNIST)"
LICENCE = "FSDD: CC BY-SA 4.0; MNIST: commonly listed as CC BY-SA 3.0"
SIZE = "35 MB (FSDD 21 MB, 3,000 wav; MNIST 12 MB, 70,000 images)"
LAYOUT = """\
DATA_DIR/
    fsdd/recordings/7_jackson_32.wav ...  (or recordings/ itself)
    mnist/train-images-idx3-ubyte.gz      any *images-idx3-ubyte[.gz] with its
    mnist/train-labels-idx1-ubyte.gz      *labels-idx1-ubyte[.gz], here or in
    mnist/t10k-images-idx3-ubyte.gz       DATA_DIR itself
    mnist/t10k-labels-idx1-ubyte.gz
Where MNIST's train files are absent, the images are split 70/10/20 by index.
"""


@dataclasses.dataclass(frozen=True)
class Settings:
    """How AV-digits is read, paired and split.

    Attributes:
        sample_rate: of the wave, in Hz.
        seconds: length of the wave: shorter recordings are padded with zeros,
            longer ones cut.
        split: of the recordings: `"official"` (FSDD's rule: index 0-4 test;
            5-9 validation, the rest train) or `"speakers"` (held out).
        samples: total number of samples, or None for all images.
        validation: fraction of MNIST's train images that validate, where it
            has train files.
        seed: of the pairing and of that cut.
        reader: `"pyav"` or `"tensorflow-io"`.
    """

    sample_rate: int = 8000
    seconds: float = 1.0
    split: str = "official"
    samples: int | None = None
    validation: float = 0.1
    seed: int = 0
    reader: str = "pyav"

    def __post_init__(self):
        if self.split not in SPLITS:
            raise ValueError(
                f"expected split to be one of {', '.join(SPLITS)}. Received: "
                f"split={self.split!r}"
            )
        if self.samples is not None and self.samples < 30:
            raise ValueError(
                "expected samples of at least 30, or None. Received: "
                f"samples={self.samples}"
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
    """Decodes recordings and images once, and pairs them.

    Every recording is stored once; `arrays["audio"]` looks it up for each
    sample.

    Args:
        data_dir: the folder described by `LAYOUT`.
        cache_dir: where the arrays go; never `data_dir`.
        settings: `Settings`.
        on_error: `"fail"` or `"skip"`, what to do about broken recordings.
        workers: number of decoding threads, or None.
        progress: callable `(done, total, description)` or None.

    Returns:
        `PreparedData` with `audio` (N, samples) float32, `visual` (N, 28, 28)
        uint8, and the part of every sample in `parts`.

    Raises:
        UsageError: where files are missing or broken, or the disk is full.
    """
    images = read_images(data_dir)
    job = _job(data_dir, images, settings)
    shards = prepare_rows(
        job, cache_dir, on_error=on_error, workers=workers, progress=progress
    )
    pairs = pair(images, shards.names, settings)
    recordings = [shards.names[row] for row in pairs.recordings]
    names = [
        f"{images.names[i]}+{recording}"
        for i, recording in zip(pairs.images, recordings, strict=True)
    ]
    return PreparedData(
        arrays={
            "audio": Rows(shards.select("audio"), pairs.recordings),
            "visual": Rows(shards.arrays["visual"], pairs.images),
        },
        labels=images.labels[pairs.images].astype("int32"),
        names=names,
        checksum=digest(shards.checksum, names, pairs.parts.tolist()),
        folder=shards.folder,
        skipped=shards.skipped,
        warnings=shards.warnings,
        parts=pairs.parts,
        notes=pairs.notes,
    )


def _job(data_dir, images, settings):
    reader = readers.get(settings.reader)
    length = round(settings.sample_rate * settings.seconds)

    def decode(item):
        wave = reader.read_audio(item.files[0], settings.sample_rate)
        padded = np.zeros(length, "float32")
        padded[: len(wave)] = wave[:length]
        return {"audio": padded}, []

    return Job(
        name=NAME,
        front_end={
            "sample_rate": settings.sample_rate,
            "samples": length,
            "reader": settings.reader,
        },
        items=[
            Item(path.stem, int(parse(path.stem)["digit"]), (path,))
            for path in find_recordings(data_dir)
        ],
        arrays={"audio": ((length,), "float32")},
        decode=decode,
        constants={"visual": images.pixels},
    )


def split(prepared, data_dir, settings):
    """Splits prepared AV-digits.

    Args:
        prepared: `PreparedData` made with the same settings.
        data_dir: unused: the pairing has decided.
        settings: unused likewise.

    Returns:
        `Split`.
    """
    del data_dir, settings
    rows = [np.flatnonzero(prepared.parts == k) for k in range(len(PARTS))]
    return Split(*rows, description=list(prepared.notes))
