"""Downloads CREMA-D: wav, flv and the paper's lists."""

import concurrent.futures
import threading
from pathlib import Path

from keras_balance.data.cremad.names import FOLDERS
from keras_balance.data.cremad.split import PINNED_CRLF
from keras_balance.data.cremad.split import read_paper_split
from keras_balance.data.preparation.download import download
from keras_balance.data.preparation.download import download_text
from keras_balance.data.preparation.manifests import COLUMNS
from keras_balance.data.preparation.manifests import parse_pointer
from keras_balance.data.preparation.manifests import read_manifest
from keras_balance.data.preparation.problems import SHOWN
from keras_balance.errors import UsageError

MEDIA = (
    "https://media.githubusercontent.com/media/CheyneyComputerScience/CREMA-D/"
    "master/"
)
POINTERS = (
    "https://raw.githubusercontent.com/CheyneyComputerScience/CREMA-D/master/"
)
LISTS = (
    "https://raw.githubusercontent.com/GeWu-Lab/OGM-GE_CVPR2022/"
    "343dc1d95c9bda88f105c0da8d24f185e0e98b54/data/CREMAD/"
)
MANIFEST = "manifest.csv"
WORKERS = 8


def fetch(
    data_dir,
    progress=None,
    base_url=MEDIA,
    *,
    pointers_url=POINTERS,
    lists_url=LISTS,
    manifest=None,
):
    """Downloads CREMA-D (3.0 GB); goes on where an earlier call stopped.

    The sha256 of every file comes from `manifest`, else from the git-LFS
    pointer at `pointers_url`; it is kept in `manifest.csv` in the data
    directory, where `doctor` finds it.

    Args:
        data_dir: where to.
        progress: callable `(files done, files total, description)` or None.
        base_url: where the media are.
        pointers_url: where their git-LFS pointers are.
        lists_url: where the paper's `train.csv` and `test.csv` are.
        manifest: path of a manifest (csv or csv.gz), or None.

    Raises:
        UsageError: lists what could not be downloaded.
    """
    data_dir = Path(data_dir)
    for part, checksum in PINNED_CRLF.items():
        name = f"{part}.csv"
        _download_list(_join(lists_url, name), data_dir / name, checksum)
    lists = read_paper_split(data_dir).parts
    paths = [
        f"{folder}/{clip}{end}"
        for clip in sorted({*lists["train"], *lists["test"]})
        for folder, end in FOLDERS.items()
    ]
    known = _Known(data_dir / MANIFEST, manifest, pointers_url)

    def one(path):
        checksum, _ = known.get(path)
        download(_join(base_url, path), data_dir / path, checksum=checksum)

    failed = _each(one, paths, progress)
    if failed:
        more = "" if len(failed) <= SHOWN else f"\n  ... {len(failed)} in all"
        raise UsageError(
            "CREMA-D could not be downloaded completely:\n  "
            + "\n  ".join(error.message for error in failed[:SHOWN])
            + more,
            hint="Type the same command again; it goes on where it stopped.",
        )


def _download_list(url, path, checksum):
    # A list of the user's own (a demo's, or with LF line ends) is kept.
    if not path.exists():
        download(url, path, checksum=checksum)


def _each(step, paths, progress):
    """Runs a step for every path in threads; returns the errors."""
    failed, done = [], 0
    with concurrent.futures.ThreadPoolExecutor(WORKERS) as pool:
        jobs = [pool.submit(step, path) for path in paths]
        for job in concurrent.futures.as_completed(jobs):
            if job.cancelled():
                continue
            error = job.exception()
            if error is not None and not isinstance(error, UsageError):
                pool.shutdown(wait=False, cancel_futures=True)
                raise error
            if error is not None:
                failed.append(error)
            if len(failed) > SHOWN:  # the server is down: do not ask for all
                pool.shutdown(wait=False, cancel_futures=True)
                break
            done += 1
            if progress is not None:
                progress(done, len(paths), "downloading CREMA-D")
    return failed


class _Known:
    """The expected sha256 and size of each file, learnt once."""

    def __init__(self, path, manifest, pointers_url):
        self.path = path
        self.pointers_url = pointers_url
        self.lock = threading.Lock()
        self.expected = read_manifest(manifest) if manifest else {}
        if path.exists():
            self.expected = read_manifest(path) | self.expected
        else:
            path.write_text(",".join(COLUMNS) + "\n")

    def get(self, path):
        if path not in self.expected:
            url = _join(self.pointers_url, path)
            pointer = parse_pointer(download_text(url))
            if pointer is None:
                raise UsageError(
                    f"expected a git-LFS pointer at {url}. Received: another "
                    "text."
                )
            with self.lock:
                self.expected[path] = pointer
                with open(self.path, "a") as file:
                    file.write(f"{path},{pointer[0]},{pointer[1]}\n")
        return self.expected[path]


def _join(base, path):
    return f"{base.rstrip('/')}/{path}"
