"""Examines a copy of a data set: its files, its content and its parts."""

import collections
import concurrent.futures
from pathlib import Path

from keras_balance.data.decoding.files import MediaError
from keras_balance.data.decoding.files import check_complete
from keras_balance.data.decoding.files import reading
from keras_balance.data.loading.splits import shared
from keras_balance.data.preparation.checksums import sha256_of
from keras_balance.data.preparation.content import Content
from keras_balance.data.preparation.content import copies
from keras_balance.data.preparation.content import digest_of
from keras_balance.data.preparation.manifests import pointers_in_git
from keras_balance.data.preparation.manifests import read_manifest
from keras_balance.data.preparation.problems import DoctorReport
from keras_balance.data.preparation.problems import Problem
from keras_balance.data.preparation.problems import listing

OWN_MANIFEST = "manifest.csv"  # what a fetch may leave


class Doctor:
    """Derives what there is to check from a data set's items.

    Every file is there, whole and what the manifest says; every sample can be
    decoded; no content is in two parts or under two labels; no group is in
    two parts; the classes count what was published. A set that knows more
    overrides the methods without an underscore.

    Args:
        dataset: a `DataSet`.
        data_dir: its folder.
        manifest: path of a csv or csv.gz (path, sha256, size), else the
            `manifest.csv` of the folder, else the git-LFS pointers that the
            user's git clone has committed.
    """

    def __init__(self, dataset, data_dir, manifest=None):
        self.dataset = dataset
        self.settings = dataset.Settings()
        self.data_dir = Path(data_dir)
        self.report = DoctorReport(dataset.name, str(data_dir))
        self.listed = None  # size and sha256 of each file of the manifest
        self.whole = set()  # names of the files that are there and whole
        self.verified = {}  # sha256 of the files that are what they should be
        own = self.data_dir / OWN_MANIFEST
        manifest = manifest or (own if own.is_file() else None)
        if manifest is not None:
            self.listed = read_manifest(manifest)
            self.report.counts["checksums"] = f"manifest {manifest}"

    def examine(self, progress=None):
        """Returns the `DoctorReport`."""
        items = self.items()
        names = [self.shown(path) for item in items for path in item.files]
        names += map(self.shown, self.more_files())
        expected = self._expected(names)
        names = dict.fromkeys([*names, *filter(self.needs, expected)])
        total, done = len(names) + len(items), 0

        def step():
            nonlocal done
            done += 1
            if progress is not None:
                progress(done, total, f"examining {self.dataset.title}")

        contents = []
        with concurrent.futures.ThreadPoolExecutor() as pool:
            checks = pool.map(lambda n: self._check(n, expected.get(n)), names)
            for name, problem in zip(names, checks, strict=True):
                if problem is None:
                    self.whole.add(name)
                self._add(problem)
                step()
            looks = pool.map(self._look, items)
            for item, (digests, problems) in zip(items, looks, strict=True):
                contents += [
                    Content(what, item.name, item.label, item.part, digest)
                    for what, digest in digests.items()
                ]
                for problem in problems:
                    self._add(problem, item.name in self.dataset.known)
                step()
        for item in items:
            if item.name in self.dataset.known:
                text = f"{self.dataset.known[item.name]}."
                self.report.add("known-bad", item.name, text, "note")
        self._check_sources(names)
        contents += self.more_contents()
        for problem in copies(contents, self.dataset.known):
            self._add(problem)
        self.check_groups(items)
        self._check_counts([i for i in items if any(map(_exists, i.files))])
        self.check(items)
        return self.report

    def items(self):
        """The `Item`s to examine."""
        return self.dataset.items(self.data_dir, self.settings)

    def more_files(self):
        """Paths of files that belong to the set and to no item."""
        return []

    def more_contents(self):
        """`Content`s of what is decoded with no item."""
        return []

    def needs(self, name):
        """Whether a file of the manifest, by its path, is of this set."""
        return True

    def look(self, item, whole):
        """Decodes an item; called from several threads.

        Args:
            item: `Item`.
            whole: list of those of its files that are there and whole.

        Returns:
            A tuple `(dict from what to digest, list of Problem)`.
        """
        if len(whole) < len(item.files):
            return {}, []  # its files are reported
        values, _ = self.dataset.decode(item, self.settings)
        return {name: digest_of(value) for name, value in values.items()}, []

    def check_groups(self, items):
        """Reports groups that are in more than one part."""
        common = groups_in_parts(items)
        if common:
            text = f"{len(common)} groups are in more than one part: "
            self.report.add(
                "groups-in-two-parts", self.data_dir, text + listing(common)
            )

    def check(self, items):
        """Reports and counts what only this set has."""

    def is_whole(self, path):
        """Whether a file is there, whole and what the manifest says."""
        return self.shown(path) in self.whole

    def shown(self, path):
        """A path as the report and manifests have it: relative, with `/`."""
        path = Path(path)
        if path.is_relative_to(self.data_dir):
            path = path.relative_to(self.data_dir)
        return path.as_posix()

    def _expected(self, names):
        """The size and sha256 of each file, by name, where they are known."""
        if self.listed is not None:
            return self.listed
        expected = pointers_in_git(self.data_dir, names)
        source = "git-LFS pointers of the clone" if expected else "none"
        self.report.counts["checksums"] = source
        return expected

    def _check(self, name, expected):
        """The `Problem` of a file on the disk, or None."""
        path = self.data_dir / name
        try:
            with reading(path):
                check_complete(path)
                if expected is None:
                    return None
                checksum, size = expected
                received = path.stat().st_size
                if received != size:
                    text = f"expected {size} bytes. Received: {received} bytes."
                    return Problem("wrong-size", name, text)
                digest = sha256_of(path)
        except MediaError as error:
            return Problem(error.kind, name, error.text)
        if digest != checksum:
            text = f"expected sha256 {checksum}. Received: {digest}"
            return Problem("wrong-sha256", name, text)
        self.verified[path] = digest
        return None

    def _look(self, item):
        files = [path for path in item.files if self.is_whole(path)]
        try:
            with reading(item.name):
                return self.look(item, files)
        except MediaError as error:
            return {}, [Problem(error.kind, self.shown(error.path), error.text)]

    def _add(self, problem, known=False):
        if problem is not None:
            severity = "note" if known else problem.severity
            found = (problem.kind, problem.path, problem.message, severity)
            self.report.add(*found)

    def _check_sources(self, names):
        """Notes files that are not those that `fetch` would download."""
        sources = {Path(s.path).name: s for s in self.dataset.sources}
        for name in names:
            source = sources.get(Path(name).name)
            path = self.data_dir / name
            if source is None or not source.checksum or not path.is_file():
                continue
            if sha256_of(path, source.algorithm) != source.checksum:
                text = (
                    f"the {source.algorithm} is not that of the published file."
                )
                self.report.add("other-file", name, text, "note")

    def _check_counts(self, items):
        classes = self.dataset.classes
        for part, published in self.dataset.published.items():
            labels = [item.label for item in items if item.part == part]
            found = {c: labels.count(k) for k, c in enumerate(classes)}
            paper = dict(zip(classes, published, strict=True))
            self.report.counts[part] = {"found": found, "paper": paper}
            if found != paper:
                text = f"expected the paper's counts {paper}. Received: {found}"
                self.report.add("class-counts", part, text, "note")


def _exists(path):
    return Path(path).is_file()


def groups_in_parts(items):
    """The groups that are in more than one part, with those parts."""
    parts = collections.defaultdict(set)
    for item in items:
        if item.part is not None and item.group is not None:
            parts[item.part].add(item.group)
    return shared(parts)
