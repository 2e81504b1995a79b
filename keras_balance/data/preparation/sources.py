"""Fetching by table: a row a file or an archive, and where it is from."""

import dataclasses
import fnmatch
import zipfile
from pathlib import Path

from keras_balance.data.preparation.download import download
from keras_balance.errors import UsageError


@dataclasses.dataclass(frozen=True)
class Source:
    """A file of a data set and where it is from.

    Attributes:
        path: where it belongs, relative to the data directory. For an
            archive the folder of what is in it.
        url: where from; empty where only a person can get it.
        checksum: hex digest, or None.
        algorithm: of the checksum, `"sha256"` or `"md5"`.
        text: how a person gets it, where there is no URL.
        members: for a zip archive: pattern of the base names that are taken
            out of it, such as `"*.wav"`.
        count: for an archive: how many there are; where as many are there, it
            is not downloaded again.
    """

    path: str
    url: str = ""
    checksum: str | None = None
    algorithm: str = "sha256"
    text: str = ""
    members: str = ""
    count: int = 1


def fetch(title, sources, data_dir, progress=None):
    """Downloads what is not there yet.

    Args:
        title: of the data set, for messages.
        sources: list of `Source`.
        data_dir: `Path`.
        progress: callable `(bytes done, bytes total or None, description)`.

    Raises:
        UsageError: a file cannot be downloaded or is not as expected, or
            there are files without a URL; all others are there then.
    """
    by_hand = []
    for source in sources:
        path = data_dir / source.path
        if source.members:
            _fetch_archive(title, source, path, progress)
        elif source.url:
            _download(source, path, progress)
        elif not path.exists():
            by_hand.append(f"  {source.path}: {source.text}")
    if by_hand or not sources:
        raise UsageError(
            "\n".join([f"{title} is not free to download.", *by_hand]),
            "keras-balance data list shows where the files belong",
        )


def _download(source, path, progress):
    download(
        source.url,
        path,
        checksum=source.checksum,
        algorithm=source.algorithm,
        progress=progress,
    )


def _fetch_archive(title, source, folder, progress):
    if len(list(folder.glob(source.members))) >= source.count:
        return
    archive = folder.with_name(f"{folder.name}.zip")
    _download(source, archive, progress)
    extract(archive, folder, source.members, title)
    archive.unlink()


def extract(archive, folder, members, title):
    """Takes files out of a zip archive; zip checks each one's CRC.

    Args:
        archive: its path; a damaged one is thrown away.
        folder: where the files go, without the archive's folders.
        members: pattern of the base names.
        title: of the data set, for messages.

    Raises:
        UsageError: the archive is damaged or has no such file.
    """
    folder.mkdir(parents=True, exist_ok=True)
    found = 0
    try:
        with zipfile.ZipFile(archive) as file:
            for member in file.infolist():
                # Only the base name is used: no path leaves the folder.
                name = Path(member.filename).name
                if fnmatch.fnmatchcase(name, members):
                    (folder / name).write_bytes(file.read(member))
                    found += 1
    except zipfile.BadZipFile as error:
        archive.unlink()
        raise UsageError(
            f"expected a zip archive of {title}. Received: a damaged file "
            f"({error}); it was thrown away.",
            hint="Type the same command again.",
        ) from error
    if not found:
        raise UsageError(
            f"expected {members} in {archive}. Received: an archive without "
            "any."
        )
