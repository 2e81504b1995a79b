"""The data sets of the table of methods, as arrays in one file each."""

import numpy as np

from keras_balance.atomic import replacing
from keras_balance.errors import UsageError

PARTS = ("train", "validation", "test")


def write_arrays(name, data_dir, path):
    """Reads a data set once.

    Args:
        name: "avdigits", "mosi" or "mfeat".
        data_dir: `pathlib.Path`, the folder that holds it.
        path: where the file goes; left alone where it exists.

    Raises:
        UsageError: where the data are not there.
    """
    if path.is_file():
        return
    make = {"avdigits": avdigits, "mosi": mosi, "mfeat": mfeat}[name]
    arrays = make(data_dir, path.parent)
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as part, open(part, "wb") as file:
        np.savez(file, **arrays)


def read_arrays(path):
    """Dict by part of `(x, y)`."""
    with np.load(path) as file:
        arrays = dict(file)
    names = [k.split("/")[2] for k in arrays if k.startswith("train/x/")]
    return {
        part: (
            {n: arrays[f"{part}/x/{n}"] for n in names},
            arrays[f"{part}/y"],
        )
        for part in PARTS
    }


def avdigits(data_dir, cache):
    """Spoken and written digits: spectrogram 16 x 21, image 14 x 14."""
    import keras

    from keras_balance import data as datasets
    from keras_balance import preprocessing

    dataset = datasets.get("avdigits")
    settings = dataset.Settings(samples=2000)
    prepared = dataset.prepare(data_dir, cache / "cache", settings)
    split = dataset.split(prepared, data_dir, settings)
    spectrogram = preprocessing.LogSpectrogram(256, 128)
    arrays = {}
    for part in PARTS:
        rows = getattr(split, part)
        wave = np.asarray(prepared.arrays["audio"][rows])
        image = np.asarray(prepared.arrays["visual"][rows])
        audio = keras.ops.convert_to_numpy(spectrogram(wave))
        audio = np.squeeze(audio)
        scaled = image.astype("float32") / 255.0
        arrays[f"{part}/x/audio"] = _pooled(audio, 8, 3)[:, None]
        arrays[f"{part}/x/visual"] = _pooled(scaled, 2, 2)[:, None]
        arrays[f"{part}/y"] = prepared.labels[rows]
    mean, std = (
        f(arrays["train/x/audio"]).astype("float32") for f in (np.mean, np.std)
    )
    for part in PARTS:
        arrays[f"{part}/x/audio"] = (arrays[f"{part}/x/audio"] - mean) / std
    return arrays


def _pooled(pictures, high, wide):
    """Means of blocks: `(rows, height // high, width // wide)`."""
    rows, height, width = pictures.shape
    height, width = height // high, width // wide
    cut = pictures[:, : high * height, : wide * width]
    return cut.reshape(rows, height, high, width, wide).mean((2, 4))


def mosi(data_dir, cache):
    """Utterance features of text, audio and video, standardised.

    Validation are the utterances of every fifth video of the training file.
    """
    del cache
    folder = data_dir / "mosi"
    files = [folder / f"mosi_{part}_open.npz" for part in ("train", "test")]
    for file in files:
        if not file.is_file():
            raise UsageError(f"Expected {file}. Received: no such file")
    loaded = [dict(np.load(file)) for file in files]
    index = files[0].with_suffix(".csv").read_text().splitlines()[1:]
    videos = np.array([line.split(",")[0].rpartition("_")[0] for line in index])
    held = np.isin(videos, sorted(set(videos))[::5])
    rows = {"train": ~held, "validation": held, "test": slice(None)}
    arrays = {}
    for part in PARTS:
        source = loaded[part == "test"]
        arrays[f"{part}/y"] = source["label"][rows[part]].astype("int32")
        for name in ("text", "audio", "video"):
            train = loaded[0][name][~held]
            values = standardised(source[name][rows[part]], train)
            arrays[f"{part}/x/{name}"] = values
    return arrays


def mfeat(data_dir, cache):
    """Six descriptions of written digits, UCI Multiple Features, standardised.

    The parts are rows of all classes alike, by the last digit of the row
    number: 0 to 3, 4, and 5 to 6. Rows 7 to 9 are not used.
    """
    del cache
    arrays = {}
    for name in ("fac", "fou", "kar", "mor", "pix", "zer"):
        file = data_dir / "mfeat" / f"mfeat-{name}.csv.gz"
        if not file.is_file():
            raise UsageError(f"Expected {file}. Received: no such file")
        table = np.loadtxt(file, delimiter=",", skiprows=1)
        digit = table[:, 0].astype("int32") % 10
        rows = {
            "train": digit < 4,
            "validation": digit == 4,
            "test": (digit == 5) | (digit == 6),
        }
        train = table[rows["train"], 1:-1]
        for part in PARTS:
            own = table[rows[part]]
            arrays[f"{part}/x/{name}"] = standardised(own[:, 1:-1], train)
            arrays[f"{part}/y"] = own[:, -1].astype("int32")
    return arrays


def standardised(values, train):
    """Values in the units of the training rows' spread, float32, within 5.

    Some features are nearly constant in training: one other value would be
    hundreds of spreads away, and its gradient with it.
    """
    scaled = (values - train.mean(0)) / (train.std(0) + 1e-6)
    return scaled.clip(-5.0, 5.0).astype("float32")
