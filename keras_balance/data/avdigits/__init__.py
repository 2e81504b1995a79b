"""AV-digits: spoken digits (FSDD) paired with handwritten ones (MNIST).

Sample i pairs image i with a recording of its digit from the same part
(train, validation or test), drawn by a fixed seed.
"""

import dataclasses
import re

import numpy as np

from keras_balance.arguments import check_choice
from keras_balance.arguments import check_count
from keras_balance.arguments import check_number
from keras_balance.data.avdigits.demo import write_demo
from keras_balance.data.avdigits.doctor import DigitsDoctor
from keras_balance.data.dataset import Input
from keras_balance.data.decoding import readers
from keras_balance.data.loading.splits import PARTS
from keras_balance.data.paired import PairedWithImages
from keras_balance.data.preparation.prepare import Item
from keras_balance.data.preparation.sources import Source
from keras_balance.errors import UsageError

SPLITS = ("official", "speakers")
SHORTEST = 0.01  # seconds of a wave
MOST = 0.99  # of train, for validation
GRAMMAR = re.compile(r"(?P<digit>\d)_(?P<speaker>[a-z]+)_(?P<index>\d+)")
TEST_BELOW, VALIDATION_BELOW = 5, 10  # indices of FSDD's recordings
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
        fold: with `split="speakers"`: the test speaker, counted from the last
            one; the speaker before validates.
        samples: total number of samples, or None for all images.
        validation: fraction of MNIST's train images that validate, where it
            has train files.
        seed: of the pairing and of that cut.
        reader: `"pyav"` or `"tensorflow-io"`.
    """

    sample_rate: int = 8000
    seconds: float = 1.0
    split: str = "official"
    fold: int = 0
    samples: int | None = None
    validation: float = 0.1
    seed: int = 0
    reader: str = "pyav"

    def __post_init__(self):
        check_choice("split", self.split, SPLITS)
        check_count("fold", self.fold, least=0)
        if self.fold and self.split == "official":
            raise ValueError(
                "expected fold=0 with split='official', which has one split. "
                f"Received: fold={self.fold}. Folds are of split='speakers'"
            )
        check_count("sample_rate", self.sample_rate)
        check_number("seconds", self.seconds, least=SHORTEST)
        check_number("validation", self.validation, 0, MOST)
        if self.samples is not None:
            check_count("samples", self.samples, least=30)


class AVDigits(PairedWithImages):
    """Recordings are the items; the digits' images are MNIST's."""

    Settings = Settings
    Doctor = DigitsDoctor
    classes = tuple("0123456789")
    images, depicted = "MNIST", "handwritten digits"
    noun, partner = "digit", "recording"
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
        places = (data_dir / "fsdd" / "recordings", data_dir / "recordings")
        found = (
            sorted(p for p in place.glob("*.wav") if _parse(p.stem))
            for place in places
        )
        paths = next(filter(None, found), None)
        if paths is None:
            raise self.not_here(
                "spoken digits such as 7_jackson_32.wav in fsdd/recordings or "
                "recordings",
                data_dir,
            )
        parts, _ = self.item_parts([p.stem for p in paths], settings)
        part_of = {row: part for part, rows in parts.items() for row in rows}
        items = []
        for row, path in enumerate(paths):
            facts = _parse(path.stem)
            # The official rule has every speaker in every part.
            group = facts["speaker"] if settings.split == "speakers" else None
            label = int(facts["digit"])
            items.append(Item(path.stem, label, (path,), part_of[row], group))
        return items

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

    def item_parts(self, names, settings):
        """FSDD's index rule, or two speakers held out."""
        facts = [_parse(name) for name in names]
        if settings.split == "official":
            index = np.array([int(fact["index"]) for fact in facts])
            where = np.where(index < VALIDATION_BELOW, 1, 0)
            where[index < TEST_BELOW] = 2
            note = (
                f"index 0-{TEST_BELOW - 1} test, {TEST_BELOW}-"
                f"{VALIDATION_BELOW - 1} validation, the rest train; every "
                "speaker is in every part."
            )
        else:
            speakers = sorted({fact["speaker"] for fact in facts})
            if len(speakers) < len(PARTS):
                raise UsageError(
                    "expected at least 3 speakers for split=speakers. "
                    f"Received: {', '.join(speakers)}",
                    hint="Complete fsdd/recordings, or use --set "
                    "split=official",
                )
            if settings.fold >= len(speakers):
                raise UsageError(
                    f"expected a fold from 0 to {len(speakers) - 1}, one for "
                    f"each speaker. Received: fold={settings.fold}"
                )
            # Negative places count from the end, round and round.
            test = speakers[-1 - settings.fold]
            validation = speakers[(-2 - settings.fold) % len(speakers)]
            held = {test: 2, validation: 1}
            train = [name for name in speakers if name not in held]
            where = np.array([held.get(fact["speaker"], 0) for fact in facts])
            note = (
                f"by speaker; train {', '.join(train)}; validation "
                f"{validation}; test {test}."
            )
        parts = {p: np.flatnonzero(where == k) for k, p in enumerate(PARTS)}
        return parts, f"Recordings: {note}"


def _parse(stem):
    """Returns a recording name's parts as a dict, or None."""
    match = GRAMMAR.fullmatch(stem)
    return match.groupdict() if match else None
