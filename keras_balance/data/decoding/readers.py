"""The media readers by name."""

import difflib
import importlib

READERS = {
    "pyav": "keras_balance.data.decoding.media",
    "tensorflow-io": "keras_balance.data.decoding.tensorflow_io",
}


def get(name):
    """Returns a reader: a module with `read_audio` and `read_frames`.

    Args:
        name: `"pyav"` (soundfile, soxr and PyAV; the default everywhere) or
            `"tensorflow-io"`, which needs TensorFlow 2.16.

    Returns:
        The module.

    Raises:
        ValueError: for an unknown name.
        UsageError: where the reader's libraries do not load.
    """
    if name not in READERS:
        near = difflib.get_close_matches(str(name), READERS, n=1)
        nearest = f" Did you mean {near[0]!r}?" if near else ""
        raise ValueError(
            f"expected reader to be one of {', '.join(READERS)}. Received: "
            f"reader={name!r}.{nearest}"
        )
    reader = importlib.import_module(READERS[name])
    check = getattr(reader, "check_available", None)
    if check is not None:
        check()
    return reader
