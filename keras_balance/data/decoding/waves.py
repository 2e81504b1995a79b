"""Decoded waves: judged, mixed down and resampled, alike in every reader."""

import os

import numpy as np
import soxr

from keras_balance.data.decoding.files import MediaError

# Where the mean of the channels has less than this share of their power, they
# cancel each other.
CANCELLED = 1e-4
# Float samples beyond this (24 dB over full scale) are on an integer scale.
OVER_SCALE = 16.0
INTEGER_SCALES = (2.0**15, 2.0**23, 2.0**31)

# What tells a zero tail from a recording that ends in digital silence. The
# longest run of zeros at the end of 2,005 real recordings (FSDD, CREMA-D,
# VGGSound) is 7 ms, 0.3 % of the wave.
TAIL_SECONDS = 0.1  # shorter tails pass
TAIL_SHARE = 1 / 8  # so do shorter ones that begin within a disk block
BLOCK = 4096  # bytes: downloads and file systems lose whole blocks
# Levels before the zeros, over the recording's level.
FADED, FADE_SECONDS = 0.02, 0.002  # below: the sound was faded to silence
LOUD, LOUD_SECONDS = 0.5, 0.02  # above: cut off; 1.6 % of FSDD end so, whole
ROUND_SECONDS = 0.05  # padding makes lengths that are a multiple of this


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
    if not np.isfinite(wave).all():
        raise MediaError(
            "undecodable", path, "the audio holds NaN or infinite samples."
        )
    if not allow_silent and not wave.any():
        raise MediaError(
            "silent", path, "the audio is silent: every sample is zero."
        )
    wave = mix(_to_unit_scale(path, wave))
    check_length(path, len(wave), source, rate)
    if source != rate:
        wave = soxr.resample(wave, source, rate, quality="HQ")
    return np.ascontiguousarray(wave, "float32")


def mix(wave):
    """Averages channels; returns the loudest where they cancel each other.

    Args:
        wave: float array of shape `(samples, channels)`.

    Returns:
        float32 array of shape `(samples,)`.
    """
    mean = wave.mean(axis=1, dtype=np.float32)
    if wave.shape[1] == 1:
        return mean
    powers = np.square(wave, dtype=np.float32).mean(axis=0)
    if np.square(mean).mean() < CANCELLED * powers.max():
        return wave[:, powers.argmax()].astype("float32")
    return mean


def check_length(path, samples, source, rate):
    """Checks that a wave is long enough to leave samples at another rate.

    Raises:
        MediaError: of kind `"no-samples"`.
    """
    # The resampler returns nothing for less than half a sample.
    if source != rate and samples * rate < source:
        raise MediaError(
            "no-samples",
            path,
            f"the audio is too short: {samples} samples at {source} Hz leave "
            f"none at {rate} Hz.",
        )


def check_tail(path, wave, source):
    """Checks that an uncompressed file does not end in zeros by an accident.

    A download that broke off, into a file of the full size, leaves zeros from
    some byte on. So does a recorder's digital silence; a long tail of zeros is
    an accident where no other silence of this length is in the file, the sound
    has not faded to it, and it begins at a disk block, or is an eighth of the
    file and follows loud sound or makes no round length.

    Args:
        path: the file.
        wave: array of shape `(samples, channels)`.
        source: its sampling rate, in Hz.

    Raises:
        MediaError: of kind `"truncated"`.
    """
    sounding = np.flatnonzero(wave.any(axis=1))
    if not len(sounding):
        return
    kept = int(sounding[-1]) + 1
    total, least = len(wave), TAIL_SECONDS * source
    tail = total - kept
    longest_within = np.diff(sounding, prepend=-1).max() - 1
    if tail < least or longest_within >= least:
        return
    wave = wave[:kept]
    if _level(wave, FADE_SECONDS * source) < FADED:
        return
    cut = _begins_at_a_block(path) or (
        tail >= TAIL_SHARE * total
        and (
            _level(wave, LOUD_SECONDS * source) > LOUD
            or not (_is_round(tail, source) or _is_round(total, source))
        )
    )
    if cut:
        raise MediaError(
            "truncated",
            path,
            f"the audio is truncated: expected sound to its end. Received: "
            f"{total} samples, the last {tail} of which are zero.",
        )


def _to_unit_scale(path, wave):
    """Scales float samples that a writer has left on an integer scale."""
    peak = np.abs(wave).max()
    if peak <= OVER_SCALE:
        return wave
    for scale in INTEGER_SCALES:
        if peak <= scale:
            return wave / np.float32(scale)
    raise MediaError(
        "undecodable",
        path,
        "expected samples in [-1, 1], or integers of up to 32 bits. Received: "
        f"a sample of {peak:.3g}.",
    )


def _level(wave, last):
    """The level of a wave's last samples over that of all of it."""
    power = np.square(wave, dtype=np.float64).mean(axis=1)
    return np.sqrt(power[-max(1, round(last)) :].mean() / power.mean())


def _is_round(samples, source):
    """Whether a length is a round number of seconds or a power of two."""
    step = round(ROUND_SECONDS * source)
    return samples % step == 0 or samples & (samples - 1) == 0


def _begins_at_a_block(path):
    """Whether a file's bytes are zero from a block's boundary on, or nearly.

    The last samples before the boundary may be zero by chance: 16 bytes are
    allowed.
    """
    with open(path, "rb") as file:
        start = end = file.seek(0, os.SEEK_END)
        sounding = b""
        while start > 0 and not sounding:
            begin = max(0, start - BLOCK)
            file.seek(begin)
            sounding = file.read(start - begin).rstrip(b"\0")
            start = begin + len(sounding)
    return end - start >= BLOCK and -start % BLOCK <= 16
