"""Examines a copy of AV-digits: what there is to count of its recordings."""

import collections

from keras_balance.data.paired import PairedDoctor


class DigitsDoctor(PairedDoctor):
    """Counts the recordings, which a user may have fewer of."""

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
