"""AV-digits: which image and which recording make a sample, in which part."""

import dataclasses

import numpy as np

from keras_balance.data.avdigits.files import CLASSES
from keras_balance.data.avdigits.files import parse
from keras_balance.data.loading.splits import PARTS
from keras_balance.data.loading.splits import largest_remainder
from keras_balance.data.loading.splits import stratified_cut
from keras_balance.errors import UsageError

SPLITS = ("official", "speakers")
TEST_BELOW, VALIDATION_BELOW = 5, 10  # indices of FSDD's recordings
BY_INDEX = (0.7, 0.8)  # where train and validation end


@dataclasses.dataclass(frozen=True)
class Pairs:
    """N samples.

    Attributes:
        images: int64 array (N,), the image of each sample.
        recordings: int64 array (N,), its recording.
        parts: int8 array (N,), index in `splits.PARTS`.
        notes: list of texts.
    """

    images: np.ndarray
    recordings: np.ndarray
    parts: np.ndarray
    notes: list


def pair(images, recordings, settings):
    """Pairs every image with a recording of its digit and part.

    Args:
        images: `avdigits_files.Images`.
        recordings: list of recording names.
        settings: `avdigits.Settings`.

    Returns:
        `Pairs`, ordered by part and then by image.

    Raises:
        UsageError: where a part has no recording of a digit.
    """
    image_parts, notes = split_images(images, settings)
    if settings.samples is not None:
        image_parts = _limit(image_parts, settings.samples)
    groups, note = split_recordings(recordings, settings.split)
    digits = np.array([int(parse(name)["digit"]) for name in recordings])
    chosen, drawn, parts = [], [], []
    for k, part in enumerate(PARTS):
        rows = image_parts[part]
        picks = np.zeros(len(rows), "int64")
        for digit in range(len(CLASSES)):
            here = np.flatnonzero(images.labels[rows] == digit)
            pool = groups[part][digits[groups[part]] == digit]
            if len(here) and not len(pool):
                raise UsageError(
                    f"expected a recording of the digit {digit} in {part} "
                    f"(split={settings.split}). Received: none.",
                    hint="Complete fsdd/recordings.",
                )
            rng = np.random.default_rng([settings.seed, k, digit])
            picks[here] = pool[rng.integers(0, max(1, len(pool)), len(here))]
        chosen.append(rows)
        drawn.append(picks)
        parts.append(np.full(len(rows), k, "int8"))
    counts = ", ".join(f"{p} {len(image_parts[p])}" for p in PARTS)
    notes = [f"Samples: {counts}.", *notes, note]
    return Pairs(*map(np.concatenate, (chosen, drawn, parts)), notes)


def split_images(images, settings):
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
            f"Images: MNIST's train and test files; {len(validation)} images "
            "of train validate, stratified by digit."
        )
    else:
        first, second = (round(total * end) for end in BY_INDEX)
        train, validation, test = np.split(np.arange(total), [first, second])
        note = (
            "Images: MNIST's train and test files are not both there; the "
            f"{total} images of {', '.join(images.files)} are split 70/10/20 "
            "by index."
        )
    return dict(zip(PARTS, (train, validation, test), strict=True)), [note]


def split_recordings(names, rule):
    """Splits the recordings by FSDD's index rule or by speaker.

    Args:
        names: list of recording names.
        rule: `"official"` or `"speakers"`.

    Returns:
        A tuple `(dict from part to indices, note)`.

    Raises:
        UsageError: with fewer than three speakers for `"speakers"`.
    """
    facts = [parse(name) for name in names]
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


def _limit(parts, samples):
    """Keeps the first images of each part, `samples` in all."""
    sizes = [len(parts[part]) for part in PARTS]
    keep = largest_remainder(sizes, min(samples, sum(sizes)))
    return {p: parts[p][:n] for p, n in zip(PARTS, keep, strict=True)}
