"""Examines a copy of AV-digits: the recordings, and MNIST's images."""

import collections

import numpy as np

from keras_balance.data.decoding.files import MediaError
from keras_balance.data.decoding.labelled_images import read_pair
from keras_balance.data.decoding.labelled_images import read_pairs
from keras_balance.data.preparation.content import Content
from keras_balance.data.preparation.content import digest_of
from keras_balance.data.preparation.doctor import Doctor


class DigitsDoctor(Doctor):
    """Recordings are the items; images are rows of a few files."""

    def more_files(self):
        return [path for pair in self._pairs() for path in pair]

    def more_contents(self):
        data = self.dataset
        good = []
        for pair in self._pairs():
            if not all(map(self.is_whole, pair)):
                continue  # reported
            try:
                _, labels = read_pair(*pair, data.side, len(data.classes))
            except MediaError as error:
                self.report.add(error.kind, self.shown(error.path), error.text)
                continue
            counted = np.bincount(labels, minlength=len(data.classes))
            name = f"{pair[0].name} by digit"
            self.report.counts[name] = counted.tolist()
            good.append(pair)
        if not good:
            return []
        images = read_pairs(good, data.side, len(data.classes))
        parts, _ = data.image_parts(images, self.settings)
        return [
            Content(
                "visual",
                images.names[i],
                images.labels[i],
                part,
                digest_of(images.pixels[i]),
            )
            for part, rows in parts.items()
            for i in rows
        ]

    def check(self, items):
        count = self.dataset.recordings
        found = {"found": len(items), "published": count}
        self.report.counts["recordings"] = found
        for k, key in enumerate(("digit", "speaker")):
            counted = collections.Counter(i.name.split("_")[k] for i in items)
            counted = dict(sorted(counted.items()))
            self.report.counts[f"recordings by {key}"] = counted
        if len(items) != count:
            text = f"expected {count} recordings. Received: {len(items)}"
            folder = self.shown(items[0].files[0].parent)
            self.report.add("count", folder, text, "note")

    def _pairs(self):
        return self.dataset.image_files(self.data_dir)
