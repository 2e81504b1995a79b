"""Examines a copy of CREMA-D: what the paper's lists add to its clips."""

from pathlib import Path

from keras_balance.data.cremad.names import CLASSES
from keras_balance.data.cremad.names import CLIPS
from keras_balance.data.cremad.names import FOLDERS
from keras_balance.data.cremad.names import actor_of
from keras_balance.data.cremad.names import clip_files
from keras_balance.data.cremad.names import clips_on_disk
from keras_balance.data.cremad.names import label_of
from keras_balance.data.cremad.names import parse
from keras_balance.data.cremad.split import PAPER_COUNTS
from keras_balance.data.cremad.split import read_lists
from keras_balance.data.decoding import media
from keras_balance.data.decoding.files import MediaError
from keras_balance.data.decoding.files import reading
from keras_balance.data.loading.splits import shared
from keras_balance.data.preparation.content import digest_of
from keras_balance.data.preparation.doctor import Doctor
from keras_balance.data.preparation.doctor import groups_in_parts
from keras_balance.data.preparation.prepare import Item
from keras_balance.data.preparation.problems import Problem
from keras_balance.data.preparation.problems import listing
from keras_balance.errors import UsageError

RATE = 16000  # the wavs' own


class ClipDoctor(Doctor):
    """Each file of a clip is judged by itself; lists may be missing or odd."""

    def items(self):
        clips = set(self.dataset.clips(self.data_dir))
        self.report.counts["clips"] = {"found": len(clips), "published": CLIPS}
        try:
            self.lists = read_lists(self.data_dir)
        except UsageError as error:
            self.lists = None
            self.report.add("split-file", self.data_dir, error.message)
        parts = {}
        if self.lists is not None:
            for part, listed in self.lists.parts.items():
                parts |= dict.fromkeys(listed, part)
        return [
            item_of(self.data_dir, clip, parts.get(clip))
            for clip in sorted({*clips, *parts, *self._of_manifest()})
        ]

    def needs(self, name):
        return name.split("/")[0] in FOLDERS

    def look(self, item, whole):
        digests, problems = {}, []
        for path in whole:
            what = path.suffix[1:]
            try:
                with reading(path):
                    digests[what] = self._content(path, problems)
            except MediaError as error:
                name = self.shown(path)
                problems.append(Problem(error.kind, name, error.text))
        return digests, problems

    def check_groups(self, items):
        common = groups_in_parts(items)
        self.report.counts["actors in two splits"] = len(common)
        if common:
            text = (
                f"{len(common)} actors are in train and test, so the test does "
                f"not measure new faces: {listing(common)}. For a split "
                "without: --set split=actors"
            )
            self.report.add(
                "actors-in-two-splits", "train.csv, test.csv", text, "note"
            )

    def check(self, items):
        bad = {p.path for p in self.report.problems}
        self.report.counts["good files"] = {
            folder: sum(f"{folder}/{i.name}{end}" not in bad for i in items)
            for folder, end in FOLDERS.items()
        }
        clips = [item.name for item in items]
        self.report.counts["emotions"] = _by_class(clips)
        self.report.counts["actors"] = len({item.group for item in items})
        if self.lists is not None:
            self._check_lists()

    def _of_manifest(self):
        """The clips that the manifest names, if there is one."""
        names = filter(self.needs, self.listed or ())
        return {Path(name).stem for name in names if parse(Path(name).stem)}

    def _content(self, path, problems):
        if path.suffix == ".wav":
            return digest_of(media.read_audio(path, RATE))
        if not media.has_audio(path):
            text = "the video has no audio stream (the wav has the sound)."
            problems.append(Problem("no-audio", self.shown(path), text, "note"))
        # Bytes as published need not be decoded: 2.4 GB take an hour.
        return self.verified.get(path) or digest_of(media.read_frames(path))

    def _check_lists(self):
        for clip, parts in shared(self.lists.parts).items():
            text = f"the clip is in {' and '.join(parts)}."
            self.report.add("clip-in-two-splits", clip, text)
        present = set(clips_on_disk(self.data_dir))
        for part, clips in self.lists.parts.items():
            pinned = self.lists.pinned[part]
            if not pinned:
                text = "the sha256 is not that of the OGM-GE authors' list."
                self.report.add("other-list", f"{part}.csv", text, "note")
            found = _by_class([clip for clip in clips if clip in present])
            paper = dict(zip(CLASSES, PAPER_COUNTS[part], strict=True))
            self.report.counts[part] = {"found": found, "paper": paper}
            if found != paper:
                text = f"expected the paper's counts {paper}. Received: {found}"
                level = "error" if pinned else "note"
                self.report.add("class-counts", f"{part}.csv", text, level)


def item_of(data_dir, clip, part):
    """The `Item` of a clip."""
    files = clip_files(data_dir, clip)
    return Item(clip, label_of(clip), files, part, actor_of(clip))


def _by_class(clips):
    labels = [label_of(clip) for clip in clips]
    return {name: labels.count(k) for k, name in enumerate(CLASSES)}
