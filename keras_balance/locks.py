"""Folders that several processes may want at once: job arrays, two terminals.

A lock is an open file that the operating system locks (flock): it ends with
the process, however that ends, so that a killed run never blocks the next.
Windows and some shared file systems have no such lock: there nothing is
guarded.
"""

import contextlib
import errno
import os
import pathlib
import socket

from keras_balance.errors import UsageError

try:
    import fcntl
except ImportError:
    fcntl = None

_WITHOUT_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)


@contextlib.contextmanager
def waiting(path):
    """Waits until no other process holds the lock, then holds it.

    Args:
        path: of the lock's file, which is there while the lock is held.
    """
    with _made(pathlib.Path(path).parent):
        file = _open(path, block=True)
        try:
            yield
        finally:
            _release(file, path)


@contextlib.contextmanager
def only(path, what):
    """Holds the lock, or refuses where another process does.

    Args:
        path: of the lock's file, which is there while the lock is held.
        what: what the lock guards, for the message: `"run folder runs/a"`.

    Raises:
        UsageError: another process holds it; the message says which.
    """
    with _made(pathlib.Path(path).parent):
        file = _open(path, block=False)
        if file is None:
            raise UsageError(
                f"Expected a {what} that no other process is using. Received: "
                f"in use by {_holder(path)}",
                "wait until that process has ended, or choose another folder",
            )
        try:
            yield
        finally:
            _release(file, path)


def _open(path, block):
    """The locked file; None where another process holds it and not `block`."""
    while True:
        try:
            # Not truncated: it may be another's, and names who that is.
            file = open(path, "a", encoding="utf-8")
        except FileNotFoundError:
            # Who used the folder before has just tidied it away.
            pathlib.Path(path).parent.mkdir(parents=True, exist_ok=True)
            continue
        if not _locked(file, block):
            file.close()
            return None
        if _is_there(file, path):
            # A full disk keeps nobody's name, and locks all the same.
            with contextlib.suppress(OSError):
                file.truncate(0)
                holder = f"process {os.getpid()} on {socket.gethostname()}"
                os.write(file.fileno(), holder.encode())
            return file
        # Who held it has removed the file since it was opened here.
        file.close()


def _locked(file, block):
    if fcntl is None:
        return True
    try:
        fcntl.flock(file, fcntl.LOCK_EX | (0 if block else fcntl.LOCK_NB))
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno not in _WITHOUT_LOCKS:
            raise
    return True


def _is_there(file, path):
    try:
        return os.path.samestat(os.fstat(file.fileno()), os.stat(path))
    except FileNotFoundError:
        return False


def _release(file, path):
    # Before it is closed: nobody else can have locked this file.
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)
    file.close()


def _holder(path):
    try:
        text = pathlib.Path(path).read_text(encoding="utf-8")
    except FileNotFoundError:
        text = ""
    return text or "another process"


@contextlib.contextmanager
def _made(folder):
    """Makes a folder; what is still empty of it afterwards goes again."""
    missing = [f for f in (folder, *folder.parents) if not f.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            for one in missing:
                one.rmdir()
