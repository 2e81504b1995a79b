"""The tensorflow-io reader: the same waves through TensorFlow's own kernels.

It runs where tensorflow-io's native library loads (TensorFlow 2.16.x with
tensorflow-io 0.37.1). Video goes through PyAV, because tensorflow-io's video
operators need an FFmpeg of the system.
"""

import functools
import math
import threading

import numpy as np

from keras_balance.data.decoding.files import MediaError
from keras_balance.data.decoding.files import check_complete
from keras_balance.data.decoding.video import read_frames
from keras_balance.data.decoding.waves import check_length
from keras_balance.data.decoding.waves import check_tail
from keras_balance.data.decoding.waves import finish_wave
from keras_balance.errors import UsageError

__all__ = ["check_available", "read_audio", "read_frames"]

WORKING = "TensorFlow 2.16.x with tensorflow-io 0.37.1"
PROBE_RATES = (8000, 16000)
_LOCK = threading.Lock()
HALF_FILTER = 32  # samples at the lower rate, measured


@functools.cache
def check_available():
    """Checks that the native library of tensorflow-io loads.

    Raises:
        UsageError: says which versions load.
    """
    try:
        import tensorflow as tf
        import tensorflow_io as tfio

        # Importing succeeds with a broken library; calling an operator tells.
        tfio.audio.resample(tf.zeros((64, 1)), *PROBE_RATES)
    except (ImportError, NotImplementedError, AttributeError) as error:
        raise UsageError(
            f"the reader 'tensorflow-io' needs {WORKING}; its native library "
            f"does not load here ({type(error).__name__}).",
            hint='Use the default reader="pyav", or an environment made by '
            "`bash tools/test_tfio.sh`.",
        ) from error


def read_audio(path, rate, allow_silent=False):
    """Reads a 16-bit wav file as one channel.

    Args:
        path: a wav file, PCM16.
        rate: sampling rate of the result, in Hz.
        allow_silent: accept a file whose samples are all zero.

    Returns:
        float32 array of shape `(samples,)`. Waves at `rate` equal those of
        the default reader; resampled ones differ, since another filter is
        used.

    Raises:
        MediaError: as `media.read_audio`.
        UsageError: where tensorflow-io does not load.
    """
    check_available()
    check_complete(path)
    import tensorflow as tf
    import tensorflow_io as tfio

    try:
        # Threads that are here at once may get each other's samples.
        with _LOCK:
            audio = tfio.audio.AudioIOTensor(str(path), dtype=tf.int16)
            source = int(audio.rate.numpy())
            wave = (tf.cast(audio.to_tensor(), tf.float32) / 32768.0).numpy()
    except (tf.errors.OpError, ValueError) as error:
        raise MediaError(
            "undecodable",
            path,
            f"tensorflow-io cannot decode the audio ({type(error).__name__}).",
        ) from error
    check_tail(path, wave, source)
    mono = finish_wave(path, wave, source, source, allow_silent)
    check_length(path, len(mono), source, rate)
    if source == rate:
        return mono
    # The resampler's output is late by half its filter: feed it so much more,
    # and drop so much at the start.
    late = math.ceil(HALF_FILTER * max(1, source / rate))
    fed = np.pad(mono, (0, late))[:, None]
    wave = tfio.audio.resample(fed, source, rate).numpy()[:, 0]
    start, length = round(late * rate / source), len(mono) * rate / source
    return wave[start : start + math.ceil(length)]
