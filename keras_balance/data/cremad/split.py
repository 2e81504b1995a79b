"""CREMA-D's splits: the paper's lists, and one without shared actors."""

import dataclasses
import hashlib
from pathlib import Path

import numpy as np

from keras_balance.data.cremad.names import actor_of
from keras_balance.data.cremad.names import parse
from keras_balance.data.loading.splits import PARTS
from keras_balance.data.loading.splits import Split
from keras_balance.data.loading.splits import shared
from keras_balance.data.loading.splits import split_groups
from keras_balance.data.loading.splits import stratified_cut
from keras_balance.data.preparation.problems import listing
from keras_balance.errors import UsageError

# sha256 of the OGM-GE authors' lists, with LF line ends (theirs have CRLF).
PINNED = {
    "train": "7b95d291b847eac9c1447bb9fb63b47176d182987ac74fe041e4dd493c6d0abd",
    "test": "959a667af66a01dc439b12d6ec9dc57b36a88e947f48ad63531a4b91f769394f",
}
PINNED_CRLF = {
    "train": "68d0d3fd253830328fc92c68f3cf2e215db8c5b86757ad9c5112d2c76ba68bde",
    "test": "14866c99301fd56fb4a16f8a7048a8a6372a47069aee9f216443bc718be45f1f",
}
# Clips by class (NEU HAP SAD FEA DIS ANG) in those lists.
PAPER_COUNTS = {
    "train": (973, 1148, 1131, 1138, 1142, 1166),
    "test": (114, 123, 140, 133, 129, 105),
}
TEST_ACTORS = 0.15


@dataclasses.dataclass(frozen=True)
class PaperSplit:
    """The rows of `train.csv` and `test.csv`.

    Attributes:
        parts: dict with the clips of `"train"` and of `"test"`, in order.
        pinned: dict, whether each file is the authors' own.
    """

    parts: dict
    pinned: dict


def read_paper_split(data_dir):
    """Reads the lists, and refuses a clip that is in both.

    Args:
        data_dir: the data set's folder.

    Returns:
        `PaperSplit`.

    Raises:
        UsageError: as `read_lists`, and for a clip in both lists.
    """
    lists = read_lists(data_dir)
    twice = shared(lists.parts)
    if twice:
        raise UsageError(
            "expected no clip in both train.csv and test.csv. Received: "
            f"{listing(twice)}"
        )
    return lists


def read_lists(data_dir):
    """Reads `train.csv` and `test.csv`: `clip,EMOTION`, no header.

    Args:
        data_dir: the data set's folder.

    Returns:
        `PaperSplit`.

    Raises:
        UsageError: for a missing file, a malformed row, a clip that is twice
            in one list, or an emotion that contradicts the clip's name.
    """
    parts, pinned = {}, {}
    for part in ("train", "test"):
        path = Path(data_dir) / f"{part}.csv"
        if not path.is_file():
            raise UsageError(
                "expected the paper's split in train.csv and test.csv. "
                f"Received: no file {path}.",
                hint="Download it: keras-balance data fetch cremad --data-dir "
                f"{data_dir}; or split by actor: --set split=actors",
            )
        data = path.read_bytes()
        parts[part] = _read_rows(path, data)
        plain = hashlib.sha256(data.replace(b"\r\n", b"\n")).hexdigest()
        pinned[part] = plain == PINNED[part]
    return PaperSplit(parts, pinned)


def _read_rows(path, data):
    clips = {}
    lines = data.decode("utf-8-sig", errors="replace").splitlines()
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        clip, _, emotion = (part.strip() for part in line.partition(","))
        facts = parse(clip)
        if facts is None:
            raise UsageError(
                f"{path}, line {number}: expected `clip,EMOTION` such as "
                f"`1001_DFA_ANG_XX,ANG`. Received: {line!r}"
            )
        if facts["emotion"] != emotion:
            raise UsageError(
                f"{path}, line {number}: expected the emotion of the clip's "
                f"name, {facts['emotion']}. Received: {line!r}"
            )
        if clip in clips:
            raise UsageError(
                f"{path}, line {number}: expected every clip once. Received: "
                f"{clip} again, first on line {clips[clip]}."
            )
        clips[clip] = number
    if not clips:
        raise UsageError(f"{path}: expected clips. Received: an empty list.")
    return list(clips)


def split(prepared, data_dir, settings):
    """Splits prepared CREMA-D.

    Args:
        prepared: `PreparedData`.
        data_dir: the data set's folder; `split="paper"` reads its lists.
        settings: `Settings`, of which `split`, `validation` and `split_seed`.

    Returns:
        `Split`.

    Raises:
        UsageError: where the lists name clips that were not prepared.
    """
    if settings.split == "actors":
        return _split_actors(prepared, settings)
    lists = read_paper_split(data_dir)
    rows, text = _rows_of_lists(lists, prepared)
    train, validation = stratified_cut(
        prepared.labels,
        np.sort(rows["train"]),
        settings.validation,
        settings.split_seed,
    )
    text.append(
        f"Validation: {len(validation)} clips cut from train, stratified by "
        f"emotion, seed {settings.split_seed}."
    )
    unused = len(prepared.names) - sum(map(len, rows.values()))
    if unused:
        text.append(f"{unused} prepared clips are in neither list.")
    result = Split(train, validation, rows["test"], text)
    common = shared(_names_by_part(prepared, result, actor_of))
    if common:
        text.append(
            f"{len(common)} actors are in more than one part (a split by clip, "
            "as published)."
        )
    return result


def _rows_of_lists(lists, prepared):
    """The rows of each list's clips, and what there is to say about them."""
    row = {name: i for i, name in enumerate(prepared.names)}
    skipped = {problem.path for problem in prepared.skipped}
    rows, text = {}, []
    for part, clips in lists.parts.items():
        absent = [c for c in clips if c not in row and c not in skipped]
        if absent:
            raise UsageError(
                f"{part}.csv names clips that are not in the prepared data: "
                f"{listing(absent)}",
                hint="Complete the folder and prepare again; to go on without "
                "them: --on-error skip",
            )
        rows[part] = np.array([row[c] for c in clips if c in row], "int64")
        lost = len(clips) - len(rows[part])
        text.append(
            f"{part}.csv: {len(clips)} clips"
            + (f", {lost} of them skipped" if lost else "")
            + (", the authors' list." if lists.pinned[part] else ".")
        )
    for part, pinned in lists.pinned.items():
        if not pinned:
            text.append(
                f"Warning: the sha256 of {part}.csv is not that of the "
                f"authors' list ({PINNED_CRLF[part][:8]}...)."
            )
    return rows, text


def _split_actors(prepared, settings):
    actors = [actor_of(name) for name in prepared.names]
    try:
        groups = split_groups(
            actors, TEST_ACTORS, settings.validation, settings.split_seed
        )
    except ValueError as error:
        raise UsageError(f"split by actor: {error}") from error
    rows = {
        part: np.flatnonzero(np.isin(actors, groups[part])) for part in PARTS
    }
    text = ["Split by actor: no actor is in two parts."] + [
        f"{part}: {len(rows[part])} clips of {len(groups[part])} actors"
        + (f" ({', '.join(groups[part])})." if part != "train" else ".")
        for part in PARTS
    ]
    return Split(**rows, description=text)


def _names_by_part(prepared, result, key):
    return {
        part: [key(prepared.names[i]) for i in getattr(result, part)]
        for part in PARTS
    }
