"""Downloads: resumed, checked, atomic."""

import contextlib
import http.client
import os
import time
import urllib.error
import urllib.request
from pathlib import Path

from keras_balance.data.preparation.checksums import sha256_of
from keras_balance.errors import UsageError

CHUNK = 1 << 16
TRIES = 5
PAUSE = 1.0  # seconds before the second try; doubled each time
TIMEOUT = 30
PASSING = (408, 425, 429, 500, 502, 503, 504)
AGENT = {"User-Agent": "keras-balance"}


class _Passing(Exception):
    """A failure that another try may mend."""


def download(url, path, *, checksum=None, algorithm="sha256", progress=None):
    """Downloads one file, taking up an earlier, interrupted download.

    What has arrived is kept in `<path>.part` and renamed when it is complete
    and its checksum is right. A file that is there and right is left alone.

    Args:
        url: where from.
        path: where to.
        checksum: hex digest expected, or None.
        algorithm: of the checksum, `"sha256"` or `"md5"`.
        progress: callable `(bytes done, bytes total or None, description)`.

    Returns:
        The path.

    Raises:
        UsageError: where the server refuses, the connection keeps failing or
            the checksum is wrong.
    """
    path = Path(path)
    if path.is_file() and _matches(path, checksum, algorithm):
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.part")
    _retry(url, lambda: _receive(url, part, progress))
    if not _matches(part, checksum, algorithm):
        # The part may have been of an older file: once more from nothing.
        part.unlink()
        _retry(url, lambda: _receive(url, part, progress))
    if not _matches(part, checksum, algorithm):
        received = sha256_of(part, algorithm)
        part.unlink()
        raise UsageError(
            f"expected {url} with {algorithm} {checksum}. Received: "
            f"{received}. The file was thrown away.",
            hint="Try again; if it stays so, the file was changed at its "
            "source.",
        )
    with open(part, "rb+") as file:
        os.fsync(file.fileno())
    os.replace(part, path)
    return path


def download_text(url):
    """Downloads a short text.

    Args:
        url: where from.

    Returns:
        The text.

    Raises:
        UsageError: as `download`.
    """

    def read():
        with _open(url, {}) as response:
            return response.read().decode("utf-8", errors="replace")

    return _retry(url, read)


def _matches(path, checksum, algorithm):
    return checksum is None or sha256_of(path, algorithm) == checksum


def _retry(url, step):
    pause = PAUSE
    for attempt in range(1, TRIES + 1):
        try:
            return step()
        except _Passing as error:
            if attempt == TRIES:
                raise UsageError(
                    f"{url} could not be downloaded in {TRIES} tries: {error}",
                    hint="Check the connection and type the same command "
                    "again; it goes on where it stopped.",
                ) from error
        time.sleep(pause)
        pause *= 2


@contextlib.contextmanager
def _open(url, headers):
    """Opens a URL; sorts its failures into passing and final ones."""
    request = urllib.request.Request(url, headers={**AGENT, **headers})
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT) as response:
            yield response
    except urllib.error.HTTPError as error:
        if error.code in PASSING:
            raise _Passing(f"HTTP {error.code} {error.reason}") from error
        if error.code == 416:
            raise
        raise UsageError(
            f"expected a file at {url}. Received: HTTP {error.code} "
            f"{error.reason}"
        ) from error
    except (OSError, http.client.HTTPException) as error:
        raise _Passing(f"{type(error).__name__}: {error}") from error


def _receive(url, part, progress):
    """Appends to the part what is missing of it."""
    have = part.stat().st_size if part.exists() else 0
    headers = {"Range": f"bytes={have}-"} if have else {}
    try:
        with _open(url, headers) as response:
            resumed = response.status == 206
            have = have if resumed else 0
            length = response.headers.get("Content-Length")
            total = None if length is None else have + int(length)
            with open(part, "ab" if resumed else "wb") as file:
                while block := response.read(CHUNK):
                    file.write(block)
                    have += len(block)
                    if progress is not None:
                        progress(have, total, part.name.removesuffix(".part"))
    except urllib.error.HTTPError:
        return  # 416: nothing is missing; the checksum tells if it is right
    if total is not None and have < total:
        raise _Passing(f"the connection was cut after {have} of {total} bytes")
