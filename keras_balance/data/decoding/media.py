"""Decoding of audio and video: soundfile, soxr and PyAV.

Nothing here knows a data set. Every function raises `MediaError`, which names
the file and says what is wrong with it.
"""

from keras_balance.data.decoding.audio import read_audio
from keras_balance.data.decoding.audio import read_audio_of_video
from keras_balance.data.decoding.streams import has_audio
from keras_balance.data.decoding.video import read_frames
from keras_balance.data.decoding.video import resize_frames

__all__ = [
    "has_audio",
    "read_audio",
    "read_audio_of_video",
    "read_frames",
    "resize_frames",
]
