"""What CREMA-D's file names say, and what is known about its clips."""

import re
from pathlib import Path

# The order of the OGM-GE authors' lists: label 0 is neutral.
CLASSES = ("NEU", "HAP", "SAD", "FEA", "DIS", "ANG")
GRAMMAR = re.compile(
    r"(?P<actor>\d{4})_(?P<sentence>[A-Z]{3})_"
    r"(?P<emotion>ANG|DIS|FEA|HAP|NEU|SAD)_(?P<level>LO|MD|HI|XX)"
)
FOLDERS = {"AudioWAV": ".wav", "VideoFlash": ".flv"}
CLIPS = 7442
KNOWN_BAD = {
    "1076_MTI_NEU_XX": "the flv is very short and has no audio",
    "1076_MTI_SAD_XX": "the picture shows an error and the sound is silent",
    "1064_TIE_SAD_XX": "the flv gives no duration",
    "1064_IEO_DIS_MD": "the flv lasts a minute and holds all emotions",
}


def parse(clip):
    """Returns a clip name's parts as a dict, or None if it is no clip."""
    match = GRAMMAR.fullmatch(clip)
    return match.groupdict() if match else None


def label_of(clip):
    """Returns the class index of a clip name."""
    return CLASSES.index(parse(clip)["emotion"])


def actor_of(clip):
    """Returns the actor of a clip name, such as `"1001"`."""
    return parse(clip)["actor"]


def clip_files(data_dir, clip):
    """Returns the files of a clip: its wav and its flv."""
    data_dir = Path(data_dir)
    return tuple(data_dir / f / f"{clip}{end}" for f, end in FOLDERS.items())


def clips_on_disk(data_dir):
    """Lists the clips of which at least one file is there, sorted.

    Args:
        data_dir: the data set's folder.
    """
    return sorted(
        {
            path.stem
            for folder, end in FOLDERS.items()
            for path in (Path(data_dir) / folder).glob(f"*{end}")
            if parse(path.stem)
        }
    )
