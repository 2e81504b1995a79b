"""Generated digits: written as on a display, spoken as two tones."""

import numpy as np

SIDE = 28
# The segments of a seven-segment display, as (top, left, bottom, right).
SEGMENTS = {
    "a": (4, 8, 7, 20),
    "b": (4, 18, 15, 21),
    "c": (13, 18, 24, 21),
    "d": (21, 8, 24, 20),
    "e": (13, 7, 24, 10),
    "f": (4, 7, 15, 10),
    "g": (12, 8, 15, 20),
}
DIGITS = (
    *("abcdef", "bc", "abged", "abgcd", "fgbc"),
    *("afgcd", "afgedc", "abc", "abcdefg", "abcdfg"),
)


def written_digit(digit, rng):
    """A digit, moved and in noise: uint8 of shape (28, 28).

    Args:
        digit: integer, 0 to 9.
        rng: `numpy.random.Generator`.
    """
    picture = np.zeros((SIDE, SIDE))
    for name in DIGITS[digit]:
        top, left, bottom, right = SEGMENTS[name]
        picture[top:bottom, left:right] = rng.uniform(120, 255)
    picture = np.roll(picture, rng.integers(-3, 4, 2), (0, 1))
    noise = 25 * np.abs(rng.standard_normal(picture.shape))
    return np.clip(picture + noise, 0, 255).astype("uint8")


def spoken_digit(digit, speaker, rate, rng):
    """Two tones that tell the digit, in noise: float64 in [-1, 1].

    Args:
        digit: integer, 0 to 9.
        speaker: integer; higher ones have higher voices.
        rate: sampling rate in Hz.
        rng: `numpy.random.Generator`.
    """
    time = np.arange(round(rng.uniform(0.3, 0.8) * rate)) / rate
    own = 2 ** (0.12 * speaker) * 2 ** rng.uniform(-0.04, 0.04)
    low, high = 200 * 1.18**digit, 900 * 1.13 ** ((digit * 3) % len(DIGITS))
    tone = np.sin(2 * np.pi * low * own * time)
    tone += 0.5 * np.sin(2 * np.pi * high * own * time)
    fade = np.hanning(len(time))
    noise = rng.standard_normal(len(time))
    return np.clip(0.3 * tone * fade + 0.12 * noise, -1, 1)
