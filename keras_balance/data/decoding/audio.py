"""Decoding of audio: soundfile, soxr, and PyAV for the sound of a video."""

import io
import struct

import av
import numpy as np
import soundfile
import soxr

from keras_balance.data.decoding import streams
from keras_balance.data.decoding.containers import riff_chunks
from keras_balance.data.decoding.files import MediaError
from keras_balance.data.decoding.files import check_complete
from keras_balance.data.decoding.waves import check_tail
from keras_balance.data.decoding.waves import finish_wave
from keras_balance.data.decoding.waves import mix

# A compressed file may decode to fewer samples than its header says, by what
# an encoder adds at both ends (mp3: two frames of 1,152).
MISSING_SAMPLES = 4608
PLAIN = ("WAV", "WAVEX", "RF64", "AIFF", "AU", "W64")  # not compressed


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
            truncated, undecodable, silent, or too short to resample.
    """
    check_complete(path)
    try:
        with (
            open(path, "rb") as raw,
            soundfile.SoundFile(with_sizes(raw)) as file,
        ):
            promised, plain = file.frames, file.format in PLAIN
            source = file.samplerate
            wave = file.read(dtype="float32", always_2d=True)
    except soundfile.LibsndfileError as error:
        raise MediaError(
            "undecodable", path, f"the audio cannot be decoded ({error})."
        ) from error
    if len(wave) < promised - MISSING_SAMPLES:
        raise MediaError(
            "truncated",
            path,
            f"the audio is truncated: expected {promised} samples from its "
            f"own header. Received: {len(wave)} samples.",
        )
    if plain:
        check_tail(path, wave, source)
    return finish_wave(path, wave, source, rate, allow_silent)


def with_sizes(file):
    """Returns a wav file whose header says its sizes.

    Args:
        file: binary file object.

    Returns:
        The same, at its beginning; where a writer into a pipe has left
        placeholders, the file's bytes with the sizes filled in.
    """
    head = file.read(12)
    file.seek(0)
    if head[:4] != b"RIFF" or head[8:] != b"WAVE":
        return file
    data = bytearray(file.read())
    for name, start, length in riff_chunks(file, len(data)):
        if name == b"data" and length is None:
            struct.pack_into("<I", data, 4, len(data) - 8)
            struct.pack_into("<I", data, start - 4, len(data) - start)
            return io.BytesIO(data)
    file.seek(0)
    return file


def read_audio_of_video(path, rate):
    """Reads the first audio stream of a video as one channel.

    The sampling rate and the number of channels may change within it.

    Args:
        path: a file that FFmpeg reads.
        rate: sampling rate of the result, in Hz.

    Returns:
        float32 array of shape `(samples,)`.

    Raises:
        MediaError: as `read_audio`, and of kind `"no-audio"`.
    """
    wave, source = _join(path, _runs(path))
    return finish_wave(path, wave, source, rate)


def _runs(path):
    """Returns `(wave (samples, channels), rate)` of each unchanged stretch."""
    runs, current, planar = [], None, None
    for frame, _ in streams.decode(path, "audio"):
        form = (frame.sample_rate, frame.layout.name, frame.format.name)
        if form != current:
            _flush(runs, planar)
            # Planar float at the file's own rate and layout: soxr resamples.
            planar = av.AudioResampler(format="fltp")
            runs.append(([], frame.sample_rate))
            current = form
        runs[-1][0].extend(part.to_ndarray() for part in planar.resample(frame))
    _flush(runs, planar)
    return [
        (np.concatenate(blocks, axis=1).T, source)
        for blocks, source in runs
        if blocks
    ]


def _flush(runs, planar):
    if planar is not None:
        runs[-1][0].extend(part.to_ndarray() for part in planar.resample(None))


def _join(path, runs):
    """Joins stretches of other rates and channels; returns wave and rate."""
    if not runs:
        raise MediaError(
            "no-samples", path, "the audio has zero length (no samples)."
        )
    if len(runs) == 1:
        return runs[0]
    highest = max(source for _, source in runs)
    waves = [
        soxr.resample(mix(wave), source, highest, quality="HQ")
        for wave, source in runs
    ]
    return np.concatenate(waves)[:, None], highest
