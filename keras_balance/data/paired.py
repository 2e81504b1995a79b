"""Sets that pair labelled images with samples of another modality, by class."""

import dataclasses
from pathlib import Path

import numpy as np

from keras_balance.data.dataset import DataSet
from keras_balance.data.decoding.files import MediaError
from keras_balance.data.decoding.labelled_images import find_pairs
from keras_balance.data.decoding.labelled_images import read_pair
from keras_balance.data.decoding.labelled_images import read_pairs
from keras_balance.data.loading.pairing import NoPartnerError
from keras_balance.data.loading.pairing import first_of_each
from keras_balance.data.loading.pairing import pair_by_class
from keras_balance.data.loading.splits import PARTS
from keras_balance.data.loading.splits import part_numbers
from keras_balance.data.loading.splits import stratified_cut
from keras_balance.data.preparation.content import Content
from keras_balance.data.preparation.content import digest_of
from keras_balance.data.preparation.doctor import Doctor
from keras_balance.data.preparation.prepared import Rows
from keras_balance.data.preparation.prepared import digest
from keras_balance.errors import UsageError

BY_INDEX = (0.7, 0.8)  # of the images: where train and validation end


class PairedDoctor(Doctor):
    """Examines the images beside the items."""

    def more_files(self):
        return [path for pair in self._pairs() for path in pair]

    def more_contents(self):
        data, good = self.dataset, []
        for pair in self._pairs():
            if not all(map(self.is_whole, pair)):
                continue  # reported
            try:
                _, labels = read_pair(*pair, data.side, len(data.classes))
            except MediaError as error:
                self.report.add(error.kind, self.shown(error.path), error.text)
                continue
            counted = np.bincount(labels, minlength=len(data.classes))
            name = f"{pair[0].name} by {data.noun}"
            self.report.counts[name] = counted.tolist()
            good.append(pair)
        if not good:
            return []
        images = read_pairs(good, data.side, len(data.classes))
        parts, _ = data.image_parts(images, self.settings)
        digests = map(digest_of, images.pixels)
        rows = list(zip(images.names, images.labels, digests, strict=True))
        return [
            Content("visual", rows[i][0], rows[i][1], part, rows[i][2])
            for part, own in parts.items()
            for i in own
        ]

    def _pairs(self):
        return self.dataset.image_files(self.data_dir)


class PairedWithImages(DataSet):
    """Images of idx files, each with an item of its class and part.

    The items, of another modality, are stored once each and looked up; the
    images are stored whole, as the input `visual`. `Settings` has `samples`
    (how many in all, or None), `validation` (the fraction of the images'
    train files) and `seed` (of the pairing and that cut).

    Class attributes:
        images: the name of the images' collection.
        depicted: what they show.
        side: of the images, in pixels.
        noun: what a class is called, such as `"digit"`.
        partner: what an item is called, such as `"recording"`.
    """

    Doctor = PairedDoctor
    splitting = ("split", "fold", "samples", "validation", "seed")
    images = ""
    depicted = "labelled images"
    side = 28
    noun = "class"
    partner = "item"

    def item_parts(self, names, settings):
        """Splits the items.

        Args:
            names: list of the items' names.
            settings: `Settings`.

        Returns:
            A tuple `(dict from part to indices into names, note)`.
        """
        raise NotImplementedError(
            f"{type(self).__name__} must define item_parts"
        )

    def prepare(self, data_dir, cache_dir, settings, **options):
        """As every set's; sample i is image i with what was drawn for it."""
        pairs = self.image_files(Path(data_dir))
        images = read_pairs(pairs, self.side, len(self.classes))
        items = self.prepare_items(
            self.items(Path(data_dir), settings),
            cache_dir,
            settings,
            {"visual": images.pixels},
            **options,
        )
        parts, notes = self.image_parts(images, settings)
        pools, note = self.item_parts(items.names, settings)
        try:
            drawn = pair_by_class(
                parts, images.labels, pools, items.labels, settings.seed
            )
        except NoPartnerError as error:
            raise UsageError(
                f"expected a {self.partner} of the {self.noun} "
                f"{self.classes[error.label]} in {error.part} "
                f"(split={settings.split}). Received: none.",
                hint=f"Complete the {self.partner}s.",
            ) from error
        partners = np.concatenate([drawn[part] for part in PARTS])
        rows = np.concatenate([parts[part] for part in PARTS])
        names = [
            f"{images.names[i]}+{items.names[k]}"
            for i, k in zip(rows, partners, strict=True)
        ]
        sizes = [len(parts[part]) for part in PARTS]
        where = part_numbers(np.repeat(PARTS, sizes))
        counts = ", ".join(map("{} {}".format, PARTS, sizes))
        return dataclasses.replace(
            items,
            arrays={
                name: Rows(array, rows if name == "visual" else partners)
                for name, array in items.arrays.items()
            },
            labels=images.labels[rows].astype("int32"),
            names=names,
            checksum=digest(items.checksum, names, where.tolist()),
            parts=where,
            groups=None,
            notes=[f"Samples: {counts}.", *notes, note],
        )

    def image_files(self, data_dir):
        """The pairs of idx files, train files first."""
        folder = self.images.lower()
        pairs = find_pairs([data_dir / folder, data_dir])
        if not pairs:
            raise self.not_here(
                f"{self.depicted} in *images-idx3-ubyte[.gz], in {folder}/ or "
                "the folder itself",
                data_dir,
            )
        return pairs

    def image_parts(self, images, settings):
        """Splits the images: their own parts, else 70/10/20 by index.

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
                f"Images: {self.images}'s train and test files; "
                f"{len(validation)} images of train validate, stratified by "
                f"{self.noun}."
            )
        else:
            ends = [round(total * end) for end in BY_INDEX]
            train, validation, test = np.split(np.arange(total), ends)
            note = (
                f"Images: {self.images}'s train and test files are not both "
                f"there; the {total} images of {', '.join(images.files)} are "
                "split 70/10/20 by index."
            )
            if settings.validation != self.Settings.validation:
                note += f" validation={settings.validation} has no effect."
        parts = dict(zip(PARTS, (train, validation, test), strict=True))
        if settings.samples is not None:
            parts = first_of_each(parts, settings.samples)
            if settings.samples > total:
                note += f" samples={settings.samples} has no effect."
        return parts, [note]
