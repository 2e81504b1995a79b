"""AV-digits: spoken digits (FSDD) paired with handwritten ones (MNIST).

Sample i pairs image i with a recording of its digit from the same part
(train, validation or test), drawn by a fixed seed.
"""

import dataclasses
import re
from pathlib import Path

import numpy as np

from keras_balance.arguments import check_choice
from keras_balance.arguments import check_count
from keras_balance.arguments import check_number
from keras_balance.data.avdigits.demo import write_demo
from keras_balance.data.avdigits.doctor import DigitsDoctor
from keras_balance.data.dataset import DataSet
from keras_balance.data.dataset import Input
from keras_balance.data.dataset import part_numbers
from keras_balance.data.decoding import readers
from keras_balance.data.decoding.labelled_images import find_pairs
from keras_balance.data.decoding.labelled_images import read_pairs
from keras_balance.data.loading.pairing import NoPartnerError
from keras_balance.data.loading.pairing import first_of_each
from keras_balance.data.loading.pairing import pair_by_class
from keras_balance.data.loading.splits import PARTS
from keras_balance.data.loading.splits import stratified_cut
from keras_balance.data.preparation.prepare import Item
from keras_balance.data.preparation.prepared import Rows
from keras_balance.data.preparation.prepared import digest
from keras_balance.data.preparation.sources import Source
from keras_balance.errors import UsageError

SPLITS = ("official", "speakers")
SHORTEST = 0.01  # seconds of a wave
MOST = 0.99  # of train, for validation
GRAMMAR = re.compile(r"(?P<digit>\d)_(?P<speaker>[a-z]+)_(?P<index>\d+)")
TEST_BELOW, VALIDATION_BELOW = 5, 10  # indices of FSDD's recordings
BY_INDEX = (0.7, 0.8)  # of the images: where train and validation end
MNIST = "https://ossci-datasets.s3.amazonaws.com/mnist/"
MD5 = {
    "train-images-idx3-ubyte.gz": "f68b3c2dcbeaaa9fbdd348bbdeb94873",
    "train-labels-idx1-ubyte.gz": "d53e105ee54ea40749a09fcbcd1e9432",
    "t10k-images-idx3-ubyte.gz": "9fb629c4189551a2d022fa330f9573f3",
    "t10k-labels-idx1-ubyte.gz": "ec29112dd5afa0611ce80d1b7f02629c",
}
RECORDINGS = 3000


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
        check_choice("split", self.split, SPLITS)
        check_count("sample_rate", self.sample_rate)
        check_number("seconds", self.seconds, least=SHORTEST)
        check_number("validation", self.validation, 0, MOST)
        if self.samples is not None:
            check_count("samples", self.samples, least=30)


class AVDigits(DataSet):
    """Recordings are the items; the images are stored whole, beside them."""

    Settings = Settings
    Doctor = DigitsDoctor
    classes = tuple("0123456789")
    side = 28
    splitting = ("split", "samples", "validation", "seed")
    recordings = RECORDINGS
    sources = (
        *(
            Source(f"mnist/{name}", MNIST + name, md5, "md5")
            for name, md5 in MD5.items()
        ),
        Source(
            "fsdd/recordings",
            "https://github.com/Jakobovski/free-spoken-digit-dataset/archive/"
            "26eb9aaf76e81b692f806f9140c2d2777410d7a1.zip",
            members="[0-9]_*_*.wav",
            count=RECORDINGS,
        ),
    )
    write_demo = staticmethod(write_demo)

    def items(self, data_dir, settings):
        folders = (data_dir / "fsdd" / "recordings", data_dir / "recordings")
        for folder in folders:
            paths = [p for p in folder.glob("*.wav") if _parse(p.stem)]
            if paths:
                break
        else:
            raise self.not_here(
                "spoken digits such as 7_jackson_32.wav in fsdd/recordings or "
                "recordings",
                data_dir,
            )
        paths = sorted(paths)
        parts, _ = recording_parts([p.stem for p in paths], settings.split)
        part_of = {row: part for part, rows in parts.items() for row in rows}
        return [
            Item(
                path.stem,
                int(_parse(path.stem)["digit"]),
                (path,),
                part_of[row],
                # The official rule has every speaker in every part.
                _parse(path.stem)["speaker"]
                if settings.split == "speakers"
                else None,
            )
            for row, path in enumerate(paths)
        ]

    def inputs(self, settings):
        length = round(settings.sample_rate * settings.seconds)
        return {
            "audio": Input((length,), "float32"),
            "visual": Input((self.side, self.side), "uint8"),
        }

    def decode(self, item, settings, rng=None):
        reader = readers.get(settings.reader)
        wave = reader.read_audio(item.files[0], settings.sample_rate)
        padded = np.zeros(self.inputs(settings)["audio"].shape, "float32")
        padded[: len(wave)] = wave[: len(padded)]
        return {"audio": padded}, []

    def prepare(self, data_dir, cache_dir, settings, **options):
        """As every set's; each recording is stored once and looked up."""
        pairs = self.image_files(Path(data_dir))
        images = read_pairs(pairs, self.side, len(self.classes))
        spoken = self.prepare_items(
            self.items(Path(data_dir), settings),
            cache_dir,
            settings,
            {"visual": images.pixels},
            **options,
        )
        parts, notes = self.image_parts(images, settings)
        pools, note = recording_parts(spoken.names, settings.split)
        try:
            drawn = pair_by_class(
                parts, images.labels, pools, spoken.labels, settings.seed
            )
        except NoPartnerError as error:
            raise UsageError(
                f"expected a recording of the digit {error.label} in "
                f"{error.part} (split={settings.split}). Received: none.",
                hint="Complete fsdd/recordings.",
            ) from error
        rows = {
            "audio": np.concatenate([drawn[part] for part in PARTS]),
            "visual": np.concatenate([parts[part] for part in PARTS]),
        }
        names = [
            f"{images.names[i]}+{spoken.names[k]}"
            for k, i in zip(*rows.values(), strict=True)
        ]
        sizes = [len(parts[part]) for part in PARTS]
        where = part_numbers(np.repeat(PARTS, sizes))
        counts = map("{} {}".format, PARTS, sizes)
        return dataclasses.replace(
            spoken,
            arrays={n: Rows(spoken.arrays[n], own) for n, own in rows.items()},
            labels=images.labels[rows["visual"]].astype("int32"),
            names=names,
            checksum=digest(spoken.checksum, names, where.tolist()),
            parts=where,
            groups=None,
            notes=[f"Samples: {', '.join(counts)}.", *notes, note],
        )

    def image_files(self, data_dir):
        """The pairs of idx files: MNIST's train files first."""
        pairs = find_pairs([data_dir / "mnist", data_dir])
        if not pairs:
            raise self.not_here(
                "handwritten digits in *images-idx3-ubyte[.gz], in mnist/ or "
                "the folder itself",
                data_dir,
            )
        return pairs

    def image_parts(self, images, settings):
        """Splits the images: MNIST's own parts, else 70/10/20 by index.

        Returns:
            A tuple `(dict from part to indices, notes)`.
        """
        total = len(images.labels)
        if images.train:
            train, validation = stratified_cut(
                images.labels,
                np.arange(images.train),
                settings.validation,
                settings.seed,
            )
            test = np.arange(images.train, total)
            note = (
                f"Images: MNIST's train and test files; {len(validation)} "
                "images of train validate, stratified by digit."
            )
        else:
            ends = [round(total * end) for end in BY_INDEX]
            train, validation, test = np.split(np.arange(total), ends)
            note = (
                "Images: MNIST's train and test files are not both there; the "
                f"{total} images of {', '.join(images.files)} are split "
                "70/10/20 by index."
            )
            if settings.validation != Settings.validation:
                note += f" validation={settings.validation} has no effect."
        parts = dict(zip(PARTS, (train, validation, test), strict=True))
        if settings.samples is not None:
            parts = first_of_each(parts, settings.samples)
        return parts, [note]


def _parse(stem):
    """Returns a recording name's parts as a dict, or None."""
    match = GRAMMAR.fullmatch(stem)
    return match.groupdict() if match else None


def recording_parts(names, rule):
    """Splits the recordings by FSDD's index rule or by speaker.

    Args:
        names: list of recording names.
        rule: `"official"` or `"speakers"`.

    Returns:
        A tuple `(dict from part to indices, note)`.

    Raises:
        UsageError: with fewer than three speakers for `"speakers"`.
    """
    facts = [_parse(name) for name in names]
    if rule == "official":
        index = np.array([int(fact["index"]) for fact in facts])
        where = np.where(index < VALIDATION_BELOW, 1, 0)
        where[index < TEST_BELOW] = 2
        note = (
            f"Recordings: index 0-{TEST_BELOW - 1} test, {TEST_BELOW}-"
            f"{VALIDATION_BELOW - 1} validation, the rest train; every "
            "speaker is in every part."
        )
    else:
        speakers = sorted({fact["speaker"] for fact in facts})
        if len(speakers) < len(PARTS):
            raise UsageError(
                "expected at least 3 speakers for split=speakers. Received: "
                f"{', '.join(speakers)}",
                hint="Complete fsdd/recordings, or use --set split=official",
            )
        held = {speakers[-1]: 2, speakers[-2]: 1}
        where = np.array([held.get(fact["speaker"], 0) for fact in facts])
        note = (
            f"Recordings: by speaker; train {', '.join(speakers[:-2])}; "
            f"validation {speakers[-2]}; test {speakers[-1]}."
        )
    return {p: np.flatnonzero(where == k) for k, p in enumerate(PARTS)}, note
