"""A small generated CREMA-D, in the true formats and with true names.

The audio is easy: each emotion has its own pitch, melody and rhythm. The
video is hard: the emotion shows as a faint pattern over the actor's own
colours, in noise. Joint training learns the audio and neglects the video.
"""

import concurrent.futures
from pathlib import Path

import numpy as np
import soundfile

from keras_balance.data.cremad.names import CLASSES
from keras_balance.data.cremad.names import FOLDERS
from keras_balance.data.demo.video import write_video

SENTENCES = ("IEO", "IWL", "IWW", "IOM", "DFA", "TAI", "TSI", "TIE", "ITS")
RATE = 16000
FLV_RATE = 22050  # FLV has no mp3 at 16 kHz
FPS = 30
SHORTEST, LONGEST = 1.8, 3.0  # seconds
TEST = 0.25  # of the clips
# For each emotion: pitch in Hz, its glide in octaves, beats per second.
VOICES = (
    (160, 0.0, 2.0),
    (260, 0.6, 5.0),
    (130, -0.5, 1.0),
    (330, 0.2, 8.0),
    (190, -0.3, 3.0),
    (230, 0.0, 11.0),
)
# For each emotion: direction of the stripes, and the colours they alternate.
STRIPES = (
    ("horizontal", (1.0, -1.0, 0.0)),
    ("vertical", (1.0, -1.0, 0.0)),
    ("both", (1.0, -1.0, 0.0)),
    ("horizontal", (0.5, 0.5, -1.0)),
    ("vertical", (0.5, 0.5, -1.0)),
    ("both", (0.5, 0.5, -1.0)),
)
PERIOD = 12  # pixels
CONTRAST = 22  # of the pattern, in grey levels
NOISE = 22  # of each second's picture


def write_demo(
    folder,
    *,
    seed=0,
    clips=240,
    actors=8,
    size=(72, 96),
    split="clips",
    workers=None,
    progress=None,
):
    """Writes a demo CREMA-D: wav, flv, `train.csv` and `test.csv`.

    The same arguments give the same bytes (with the same FFmpeg).

    Args:
        folder: where to write; made where needed.
        seed: integer.
        clips: number of clips, shared evenly by the six emotions.
        actors: number of actors.
        size: `(height, width)` of the video, even numbers.
        split: `"clips"` draws test clips at random, as the paper does;
            `"actors"` keeps the test actors out of train.
        workers: number of threads, or None.
        progress: callable `(done, total, description)` or None.

    Raises:
        ValueError: for an argument out of range.
    """
    if split not in ("clips", "actors"):
        raise ValueError(
            f"expected split to be clips or actors. Received: split={split!r}"
        )
    if any(side < 16 or side % 2 for side in size):
        raise ValueError(
            "expected an even height and width of at least 16. Received: "
            f"size={size}"
        )
    folder = Path(folder)
    for name in FOLDERS:
        (folder / name).mkdir(parents=True, exist_ok=True)
    names = _names(clips, actors)
    with concurrent.futures.ThreadPoolExecutor(workers) as pool:
        jobs = [
            pool.submit(_write_clip, folder, name, [seed, i], size)
            for i, name in enumerate(names)
        ]
        for done, job in enumerate(jobs, 1):
            job.result()
            if progress is not None:
                progress(done, len(jobs), "writing the demo set")
    _write_lists(folder, names, split, seed)


def _names(clips, actors):
    """The clips' names: every emotion first, then actors, then sentences."""
    most = actors * len(SENTENCES) * len(CLASSES)
    if actors < 3 or not len(CLASSES) * 4 <= clips <= most:
        raise ValueError(
            f"expected at least 3 actors and from {len(CLASSES) * 4} to "
            f"{most} clips. Received: clips={clips}, actors={actors}"
        )
    names = []
    for i in range(clips):
        emotion = CLASSES[i % len(CLASSES)]
        actor = 1001 + i // len(CLASSES) % actors
        sentence = SENTENCES[i // (len(CLASSES) * actors)]
        level = "MD" if sentence == "IEO" and emotion != "NEU" else "XX"
        names.append(f"{actor}_{sentence}_{emotion}_{level}")
    return names


def _write_clip(folder, name, seed, size):
    rng = np.random.default_rng(seed)
    actor = int(name[:4])
    emotion = CLASSES.index(name.split("_")[2])
    seconds = rng.uniform(SHORTEST, LONGEST)
    wave = _voice(emotion, actor, seconds, rng)
    soundfile.write(
        folder / "AudioWAV" / f"{name}.wav", wave, RATE, subtype="PCM_16"
    )
    frames = _pictures(emotion, actor, round(seconds * FPS), size, rng)
    # flv1 video and mp3 audio, as CREMA-D's own.
    write_video(
        folder / "VideoFlash" / f"{name}.flv",
        frames,
        FPS,
        wave,
        RATE,
        codecs=("flv", "libmp3lame"),
        audio_rate=FLV_RATE,
    )


def _voice(emotion, actor, seconds, rng):
    """A tone with harmonics: float64 of shape (samples,) in [-1, 1]."""
    pitch, glide, beats = VOICES[emotion]
    time = np.arange(round(seconds * RATE)) / RATE
    own = 2 ** (np.random.default_rng(actor).uniform(-0.1, 0.1))
    curve = pitch * own * 2 ** (glide * time / seconds)
    phase = 2 * np.pi * np.cumsum(curve) / RATE
    tone = sum(np.sin(k * phase) / k for k in range(1, 6))
    tone *= 0.6 + 0.4 * np.sin(2 * np.pi * (beats * time + rng.uniform()))
    noise = rng.standard_normal(len(time))
    return np.clip(0.25 * tone * rng.uniform(0.5, 1) + 0.05 * noise, -1, 1)


def _pictures(emotion, actor, count, size, rng):
    """Frames of a clip: uint8 of shape (count, height, width, 3)."""
    height, width = size
    own = np.random.default_rng([actor, 1])
    y, x = np.mgrid[:height, :width]
    background = own.uniform(60, 190, 3)
    face = own.uniform(60, 190, 3)
    shift = rng.uniform(-0.1, 0.1, 2)
    inside = (
        ((x / width - 0.5 - shift[0]) / 0.25) ** 2
        + ((y / height - 0.5 - shift[1]) / 0.38) ** 2
    ) < 1
    picture = np.where(inside[..., None], face, background)
    picture = picture * rng.uniform(0.75, 1.25)
    direction, colours = STRIPES[emotion]
    start = rng.uniform(0, 2 * np.pi, 2)
    across = np.sin(2 * np.pi * y / PERIOD + start[0])
    along = np.sin(2 * np.pi * x / PERIOD + start[1])
    stripes = {
        "horizontal": across,
        "vertical": along,
        "both": (across + along) / np.sqrt(2),
    }[direction]
    picture = picture + CONTRAST * stripes[..., None] * np.array(colours)
    # New noise once a second: the frames that are read differ, files are small.
    grain = NOISE * rng.standard_normal((-(-count // FPS), height, width, 3))
    scenes = np.clip(picture + grain, 0, 255).astype("uint8")
    return scenes[np.arange(count) // FPS]


def _write_lists(folder, names, split, seed):
    rng = np.random.default_rng([seed, len(names)])
    if split == "actors":
        actors = sorted({name[:4] for name in names})
        held = rng.permutation(actors)[: max(1, round(TEST * len(actors)))]
        test = {name for name in names if name[:4] in held}
    else:
        chosen = rng.permutation(len(names))[: round(TEST * len(names))]
        test = {names[i] for i in chosen}
    order = rng.permutation(names)
    for part in ("train", "test"):
        rows = [n for n in order if (n in test) == (part == "test")]
        text = "".join(f"{n},{n.split('_')[2]}\r\n" for n in rows)
        (folder / f"{part}.csv").write_bytes(text.encode())
