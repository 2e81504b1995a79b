"""Decoding of audio and video: soundfile, soxr and PyAV.

Nothing here knows a data set. Every function raises `MediaError`, which names
the file and says what is wrong with it.
"""

import av
import numpy as np
import soundfile
import soxr

from keras_balance.data.decoding.files import MediaError
from keras_balance.data.decoding.files import check_complete


def read_audio(path, rate, allow_silent=False):
    """Reads an audio file as one channel.

    Integer samples are scaled to [-1, 1) (PCM16 by 1/32768), channels are
    averaged, and the wave is resampled by soxr (quality "HQ").

    Args:
        path: a file that libsndfile reads (wav, flac, ogg, mp3).
        rate: sampling rate of the result, in Hz.
        allow_silent: accept a file whose samples are all zero.

    Returns:
        float32 array of shape `(samples,)`.

    Raises:
        MediaError: where the file is missing, empty, a git-LFS stub,
            truncated, undecodable, of zero length or silent.
    """
    check_complete(path)
    try:
        wave, source = soundfile.read(path, dtype="float32", always_2d=True)
    except soundfile.LibsndfileError as error:
        raise MediaError(
            "undecodable", path, f"the audio cannot be decoded ({error})."
        ) from error
    return finish_wave(path, wave, source, rate, allow_silent)


def read_audio_of_video(path, rate):
    """Reads the first audio stream of a video as one channel.

    Args:
        path: a file that FFmpeg reads.
        rate: sampling rate of the result, in Hz.

    Returns:
        float32 array of shape `(samples,)`.

    Raises:
        MediaError: as `read_audio`, and of kind `"no-audio"`.
    """
    check_complete(path)
    blocks = []
    try:
        with av.open(str(path)) as container:
            if not container.streams.audio:
                raise MediaError(
                    "no-audio", path, "the video has no audio stream."
                )
            stream = container.streams.audio[0]
            source = stream.rate
            # Planar float at the file's own rate and layout: soxr resamples.
            planar = av.AudioResampler(format="fltp")
            for frame in container.decode(stream):
                blocks += [part.to_ndarray() for part in planar.resample(frame)]
            if blocks:
                blocks += [part.to_ndarray() for part in planar.resample(None)]
    except av.FFmpegError as error:
        raise _undecodable(path, error) from error
    wave = np.concatenate(blocks, axis=1) if blocks else np.zeros((1, 0))
    return finish_wave(path, wave.T, source, rate)


def finish_wave(path, wave, source, rate, allow_silent=False):
    """Checks a decoded wave, averages its channels and resamples it.

    Args:
        path: the file, for messages.
        wave: float array of shape `(samples, channels)`.
        source: its sampling rate, in Hz.
        rate: sampling rate of the result, in Hz.
        allow_silent: accept a wave whose samples are all zero.

    Returns:
        float32 array of shape `(samples,)`.

    Raises:
        MediaError: of kind `"no-samples"`, `"undecodable"` or `"silent"`.
    """
    if wave.shape[0] == 0:
        raise MediaError(
            "no-samples", path, "the audio has zero length (no samples)."
        )
    wave = wave.mean(axis=1, dtype=np.float32)
    if not np.isfinite(wave).all():
        raise MediaError(
            "undecodable", path, "the audio holds NaN or infinite samples."
        )
    if not allow_silent and not wave.any():
        raise MediaError(
            "silent", path, "the audio is silent: every sample is zero."
        )
    if source != rate:
        wave = soxr.resample(wave, source, rate, quality="HQ")
    return np.ascontiguousarray(wave, "float32")


def read_frames(path, per_second=1):
    """Reads `per_second` frames of every second of a video.

    With the frame rate truncated to an integer (29.97 becomes 29), frame k is
    kept where k is a multiple of that rate, as the papers' scripts do: frames
    0, 29, 58, ... for one frame per second.

    Args:
        path: a file that FFmpeg reads.
        per_second: frames kept of every second.

    Returns:
        uint8 array of shape `(frames, height, width, 3)`, RGB.

    Raises:
        MediaError: where the file is missing, empty, a git-LFS stub,
            truncated, undecodable or without frames.
    """
    check_complete(path)
    try:
        with av.open(str(path)) as container:
            if not container.streams.video:
                raise MediaError(
                    "no-frames", path, "the file has no video stream."
                )
            stream = container.streams.video[0]
            step = max(1, int(_frame_rate(stream)) // per_second)
            kept = [
                frame.to_ndarray(format="rgb24")
                for k, frame in enumerate(container.decode(stream))
                if k % step == 0
            ]
    except av.FFmpegError as error:
        raise _undecodable(path, error) from error
    if not kept:
        raise MediaError("no-frames", path, "the video has no frames.")
    return np.stack(kept)


def has_audio(path):
    """Whether a video has an audio stream.

    Args:
        path: a file that FFmpeg reads.

    Raises:
        MediaError: where the file cannot be opened.
    """
    check_complete(path)
    try:
        with av.open(str(path)) as container:
            return bool(container.streams.audio)
    except av.FFmpegError as error:
        raise _undecodable(path, error) from error


def resize_frames(frames, size):
    """Resizes frames that do not have the wanted size (bilinear).

    Args:
        frames: uint8 array of shape `(frames, height, width, 3)`.
        size: `(height, width)` of the result.

    Returns:
        uint8 array of shape `(frames, *size, 3)`; the input itself where the
        size is right.
    """
    height, width = size
    if frames.shape[1:3] == (height, width):
        return frames
    resized = [
        av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")
        .reformat(width=width, height=height, interpolation="BILINEAR")
        .to_ndarray()
        for frame in frames
    ]
    return np.stack(resized)


def _frame_rate(stream):
    return stream.guessed_rate or stream.average_rate or 1


def _undecodable(path, error):
    return MediaError(
        "undecodable", path, f"the video cannot be decoded ({error})."
    )
