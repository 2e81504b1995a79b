"""A small data set: high and low tones, with pictures bright or dark."""

import dataclasses
from pathlib import Path

import numpy as np
import soundfile

from keras_balance.data import DataSet
from keras_balance.data import Input
from keras_balance.data import Item
from keras_balance.data import Source
from keras_balance.data.decoding import media

RATE = 8000
PITCHES = {"high": 800, "low": 200}
SINGERS = {"train": ("ann", "bea"), "test": ("cleo",)}
EACH = 8  # tones of each class by each singer
SIDE = 8


@dataclasses.dataclass(frozen=True)
class Settings:
    """How the tones are read and split.

    Attributes:
        seconds: length of a wave.
        validation: fraction of train's singers who validate.
        split_seed: seed of that cut.
    """

    seconds: float = 0.5
    validation: float = 0.5
    split_seed: int = 0


class Tones(DataSet):
    """A wave and a picture a sample; no singer is in two parts."""

    Settings = Settings
    classes = tuple(PITCHES)
    published = {"train": (16, 16), "test": (8, 8)}
    sources = (Source("audio", text="this package's write_demo writes it"),)

    def items(self, data_dir, settings):
        folders = {"audio": ".wav", "visual": ".npy"}
        names = {
            path.stem
            for folder, end in folders.items()
            for path in (data_dir / folder).glob(f"*{end}")
        }
        if not names:
            raise self.not_here("audio/*.wav and visual/*.npy", data_dir)
        return [self._item(data_dir, folders, name) for name in sorted(names)]

    def _item(self, data_dir, folders, name):
        part, singer, tone, _ = name.split("_")
        return Item(
            name=name,
            label=self.classes.index(tone),
            files=tuple(
                data_dir / f / f"{name}{e}" for f, e in folders.items()
            ),
            part=part,
            group=singer,
        )

    def inputs(self, settings):
        samples = round(RATE * settings.seconds)
        return {
            "audio": Input((samples,), "float32"),
            "visual": Input((SIDE, SIDE), "uint8"),
        }

    def decode(self, item, settings, rng=None):
        wav, npy = item.files
        (samples,) = self.inputs(settings)["audio"].shape
        wave = np.resize(media.read_audio(wav, RATE), samples)
        return {"audio": wave, "visual": np.load(npy)}, []

    def write_demo(self, folder, *, seed=0, progress=None):
        folder, rng = Path(folder), np.random.default_rng(seed)
        for name in ("audio", "visual"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        names = [
            f"{part}_{singer}_{tone}_{k:02d}"
            for part, singers in SINGERS.items()
            for singer in singers
            for tone in PITCHES
            for k in range(EACH)
        ]
        for done, name in enumerate(names, 1):
            tone = name.split("_")[2]
            phase = 2 * np.pi * PITCHES[tone] * np.arange(RATE // 2) / RATE
            wave = 0.3 * np.sin(phase) + 0.1 * rng.standard_normal(len(phase))
            path = folder / "audio" / f"{name}.wav"
            soundfile.write(path, wave, RATE, subtype="PCM_16")
            light = 120 if tone == "high" else 100
            picture = rng.integers(0, 256 - light, (SIDE, SIDE)) + light
            np.save(folder / "visual" / f"{name}.npy", picture.astype("uint8"))
            if progress is not None:
                progress(done, len(names), "writing the demo set")
