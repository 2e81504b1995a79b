"""A data set: what one has to say, and what all do alike."""

import dataclasses
from pathlib import Path

import numpy as np

from keras_balance.data.decoding import readers
from keras_balance.data.loading.splits import PARTS
from keras_balance.data.loading.splits import Split
from keras_balance.data.loading.splits import cut_validation
from keras_balance.data.loading.splits import part_numbers
from keras_balance.data.preparation.doctor import Doctor
from keras_balance.data.preparation.leaves import flatten
from keras_balance.data.preparation.leaves import nest
from keras_balance.data.preparation.prepare import Job
from keras_balance.data.preparation.prepare import prepare_rows
from keras_balance.data.preparation.prepared import PreparedData
from keras_balance.data.preparation.sources import fetch
from keras_balance.errors import UsageError


@dataclasses.dataclass(frozen=True)
class Input:
    """What a sample has of one modality.

    Attributes:
        shape: of the stored array, without the samples' axis.
        dtype: its name, such as `"float32"`.
    """

    shape: tuple
    dtype: str


class DataSet:
    """Base class of the data sets; `keras_balance.data.get` makes one.

    A set is a subclass and a table in a catalogue. It defines `Settings`,
    `classes`, `items`, `inputs`, `decode` and `write_demo`; `prepare`,
    `split`, `doctor` and `fetch` follow from these, and a set overrides what
    it has beyond them.

    Class attributes:
        Settings: frozen dataclass of how the set is read and split, all with
            defaults; it refuses values out of range. The inherited `split`
            reads its `validation` and `split_seed` where no item is of the
            validation part; a field `reader` names a media reader.
        classes: tuple of the classes' names, in the order of the labels.
        sources: tuple of `Source`, what `fetch` downloads.
        published: dict from part to the number of samples of each class, as
            published; a part that is cut from train counts as train.
        known: dict from a sample's name to what is known to be wrong with it
            as published: its faults are notes.
        splitting: names of the settings that only split, so that prepared
            rows are shared whatever they are.
        Doctor: the class that examines a copy.

    Args:
        facts: `keras_balance.data.Facts`, as the catalogue has them.
    """

    Settings = None
    classes = ()
    sources = ()
    published = {}
    known = {}
    splitting = ("split", "validation", "split_seed")
    Doctor = Doctor

    def __init__(self, facts):
        self.name = facts.name
        self.title = facts.title
        self.licence = facts.licence
        self.size = facts.size
        self.layout = facts.layout

    def settings(self, **values):
        """`Settings` from a user's values.

        Raises:
            UsageError: a value is out of range.
        """
        try:
            return self.Settings(**values)
        except ValueError as error:
            raise UsageError(f"Data set {self.name}: {error}") from error

    def items(self, data_dir, settings):
        """Lists the samples, without opening their media.

        Args:
            data_dir: `Path` of the folder that `layout` describes.
            settings: `Settings`.

        Returns:
            list of `Item`: name, label, files, and part and group where the
            set says so. A file that should be there is named though it is
            not.

        Raises:
            UsageError: the folder is not of this set.
        """
        raise NotImplementedError(f"{type(self).__name__} must define items")

    def inputs(self, settings):
        """What a decoded sample has: dict from modality to `Input`.

        A modality of several arrays has a dict of them, by name.
        """
        raise NotImplementedError(f"{type(self).__name__} must define inputs")

    def decode(self, item, settings, rng=None):
        """Reads a sample; called from several threads.

        Args:
            item: one of `items()`.
            settings: `Settings`.
            rng: `numpy.random.Generator` of what is drawn at random; None for
                rows that are stored.

        Returns:
            A tuple `(dict from modality to array or arrays, list of
            warnings)`, as `inputs` says, a warning beginning with `"name: "`.

        Raises:
            MediaError: a file is not what it should be.
        """
        raise NotImplementedError(f"{type(self).__name__} must define decode")

    def write_demo(self, folder, *, seed=0, progress=None):
        """Writes a small generated set in the true layout and formats.

        Args:
            folder: where to write; made where needed.
            seed: integer; the same one gives the same bytes.
            progress: callable `(done, total, description)` or None.
        """
        raise NotImplementedError(
            f"{type(self).__name__} must define write_demo"
        )

    def not_here(self, expected, data_dir):
        """The `UsageError` for a folder that has nothing of this set.

        Args:
            expected: what should be there, in words.
            data_dir: `Path` of the folder.
        """
        there = "has none" if data_dir.is_dir() else "does not exist"
        return UsageError(
            f"expected {expected}. Received: data_dir={data_dir}, which "
            f"{there}.",
            hint="Name the folder with --data-dir DIR, or download it: "
            f"keras-balance data fetch {self.name} --data-dir {data_dir}",
        )

    def prepare(
        self,
        data_dir,
        cache_dir,
        settings,
        *,
        on_error="fail",
        workers=None,
        progress=None,
    ):
        """Decodes the set once to memory-mapped arrays.

        Args:
            data_dir: the folder that `layout` describes.
            cache_dir: where the arrays go; never `data_dir`.
            settings: `Settings`.
            on_error: `"fail"` or `"skip"`, what to do about broken samples.
            workers: number of decoding threads, or None.
            progress: callable `(done, total, description)` or None.

        Returns:
            `PreparedData` with the arrays of `inputs`, in the items' order.

        Raises:
            UsageError: files are missing or broken, or the disk is full.
        """
        return self.prepare_items(
            self.items(Path(data_dir), settings),
            cache_dir,
            settings,
            on_error=on_error,
            workers=workers,
            progress=progress,
        )

    def prepare_items(
        self, items, cache_dir, settings, constants=None, **options
    ):
        """`prepare` of items that a set has at hand.

        Args:
            items: list of `Item`.
            cache_dir: where the arrays go.
            settings: `Settings`.
            constants: dict of whole arrays stored beside the rows: inputs
                that are not decoded item by item, by their dotted names.
            **options: of `prepare`.

        Returns:
            `PreparedData`; its constants have rows of their own.
        """
        if hasattr(settings, "reader"):
            readers.get(settings.reader)  # refused before any work
        constants = constants or {}
        inputs = flatten(self.inputs(settings))
        decoded = [name for name in inputs if name not in constants]

        def decode(item):
            values, warnings = self.decode(item, settings)
            return flatten(values), warnings

        job = Job(
            name=self.name,
            front_end={
                key: value
                for key, value in dataclasses.asdict(settings).items()
                if key not in self.splitting
            },
            items=items,
            arrays={
                name: (tuple(inputs[name].shape), inputs[name].dtype)
                for name in decoded
            },
            decode=decode,
            constants=constants,
        )
        shards = prepare_rows(job, cache_dir, **options)
        arrays = {name: shards.arrays[name] for name in inputs}
        arrays |= {name: shards.select(name) for name in decoded}
        kept = [items[row] for row in shards.rows]
        return PreparedData(
            arrays=nest(arrays),
            labels=shards.labels,
            names=shards.names,
            checksum=shards.checksum,
            folder=shards.folder,
            skipped=shards.skipped,
            warnings=shards.warnings,
            parts=part_numbers([item.part for item in kept]),
            groups=_groups(kept),
        )

    def split(self, prepared, data_dir, settings):
        """Splits the prepared set, by the parts of its items.

        Where no item is of the validation part, one is cut from train: whole
        groups where the items have some, else stratified by class, else (the
        labels are no classes) at random.

        Args:
            prepared: `PreparedData` made with the same settings.
            data_dir: the folder that `layout` describes.
            settings: `Settings`.

        Returns:
            `Split`.
        """
        del data_dir
        train, validation, test = (
            np.flatnonzero(prepared.parts == k) for k in range(len(PARTS))
        )
        text = list(prepared.notes)
        if not len(validation) and settings.validation:
            size, seed = settings.validation, settings.split_seed
            train, validation, how = cut_validation(
                prepared.labels, prepared.groups, train, size, seed
            )
            text.append(
                f"Validation: {len(validation)} samples cut from train, {how}, "
                f"seed {seed}."
            )
        return Split(train, validation, test, text)

    def may_validate(self, settings):
        """False where the settings alone leave no validation part.

        A run that would select its epoch by one is then refused at once, and
        not when the data are prepared and split.
        """
        del settings
        return True

    def doctor(self, data_dir, manifest=None, progress=None):
        """Names every broken file and everything odd about the parts.

        Args:
            data_dir: the folder that `layout` describes.
            manifest: path of a csv or csv.gz (path, sha256, size), with paths
                relative to `data_dir`, or None.
            progress: callable `(done, total, description)` or None.

        Returns:
            `DoctorReport`. What the published data has by itself is of
            severity `"note"`.

        Raises:
            UsageError: the folder is not of this set.
        """
        return self.Doctor(self, data_dir, manifest).examine(progress)

    def fetch(self, data_dir, progress=None):
        """Downloads the set; goes on where an earlier call stopped.

        Args:
            data_dir: where to.
            progress: callable `(done, total, description)` or None.

        Raises:
            UsageError: a file cannot be downloaded or is not as expected, or
                only a person can get it: the message says how.
        """
        fetch(self.title, self.sources, Path(data_dir), progress)


def _groups(items):
    groups = [item.group for item in items]
    return None if set(groups) == {None} else groups
