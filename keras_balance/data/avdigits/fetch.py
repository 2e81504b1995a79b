"""Downloads AV-digits: MNIST's idx files and FSDD's recordings."""

import zipfile
from pathlib import Path

from keras_balance.data.avdigits.files import parse
from keras_balance.data.preparation.download import download
from keras_balance.errors import UsageError

MNIST = "https://ossci-datasets.s3.amazonaws.com/mnist/"
FSDD = (
    "https://github.com/Jakobovski/free-spoken-digit-dataset/archive/"
    "26eb9aaf76e81b692f806f9140c2d2777410d7a1.zip"
)
MD5 = {
    "train-images-idx3-ubyte.gz": "f68b3c2dcbeaaa9fbdd348bbdeb94873",
    "train-labels-idx1-ubyte.gz": "d53e105ee54ea40749a09fcbcd1e9432",
    "t10k-images-idx3-ubyte.gz": "9fb629c4189551a2d022fa330f9573f3",
    "t10k-labels-idx1-ubyte.gz": "ec29112dd5afa0611ce80d1b7f02629c",
}
RECORDINGS = 3000


def fetch(data_dir, progress=None, base_url=MNIST, *, recordings_url=FSDD):
    """Downloads AV-digits (35 MB); goes on where an earlier call stopped.

    Args:
        data_dir: where to: `mnist/` and `fsdd/recordings/` are made in it.
        progress: callable `(done, total, description)` or None.
        base_url: where MNIST's four idx.gz files are.
        recordings_url: a zip archive of FSDD's repository.

    Raises:
        UsageError: where a file cannot be downloaded or is not as expected.
    """
    data_dir = Path(data_dir)
    for name, checksum in MD5.items():
        download(
            f"{base_url.rstrip('/')}/{name}",
            data_dir / "mnist" / name,
            checksum=checksum,
            algorithm="md5",
            progress=progress,
        )
    folder = data_dir / "fsdd" / "recordings"
    if len(list(folder.glob("*.wav"))) >= RECORDINGS:
        return
    archive = data_dir / "fsdd" / "fsdd.zip"
    download(recordings_url, archive, progress=progress)
    _extract(archive, folder)
    archive.unlink()


def _extract(archive, folder):
    """Takes the recordings out of the archive; zip checks each one's CRC."""
    folder.mkdir(parents=True, exist_ok=True)
    found = 0
    try:
        with zipfile.ZipFile(archive) as file:
            for member in file.infolist():
                name = Path(member.filename)
                # Only the base name is used: no path leaves the folder.
                if name.suffix == ".wav" and parse(name.stem):
                    (folder / name.name).write_bytes(file.read(member))
                    found += 1
    except zipfile.BadZipFile as error:
        archive.unlink()
        raise UsageError(
            f"expected a zip archive of FSDD. Received: a damaged file "
            f"({error}); it was thrown away.",
            hint="Type the same command again.",
        ) from error
    if not found:
        raise UsageError(
            f"expected recordings/*.wav in {archive}. Received: an archive "
            "without any."
        )
