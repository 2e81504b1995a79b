"""Decoding of the frames of a video by PyAV."""

import av
import numpy as np

from keras_balance.data.decoding import streams
from keras_balance.data.decoding.files import MediaError


def read_frames(path, per_second=1, allow_short=False):
    """Reads `per_second` frames of every second of a video, upright.

    With the frame rate truncated to an integer (29.97 becomes 29), frame k is
    kept where k is a multiple of that rate, as the papers' scripts do: frames
    0, 29, 58, ... for one frame per second.

    Args:
        path: a file that FFmpeg reads.
        per_second: frames kept of every second.
        allow_short: accept a video that is shorter than it says.

    Returns:
        uint8 array of shape `(frames, height, width, 3)`, RGB, turned as the
        file's rotation metadata say.

    Raises:
        MediaError: where the file is missing, empty, a git-LFS stub,
            truncated, undecodable or without frames, or where the size of the
            picture changes.
    """
    kept = []
    frames = streams.decode(path, "video", allow_short)
    for k, (frame, stream) in enumerate(frames):
        if k % max(1, int(streams.frame_rate(stream)) // per_second) == 0:
            kept.append(_upright(frame))
            _check_size(path, kept, k)
    if not kept:
        raise MediaError("no-frames", path, "the video has no frames.")
    return np.stack(kept)


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


def _upright(frame):
    picture = frame.to_ndarray(format="rgb24")
    # Counterclockwise, as np.rot90 turns; only right angles are metadata of
    # cameras.
    return np.rot90(picture, round(frame.rotation / 90) % 4)


def _check_size(path, kept, k):
    first, last = kept[0].shape[:2], kept[-1].shape[:2]
    if first != last:
        raise MediaError(
            "undecodable",
            path,
            f"expected frames of {first[0]} x {first[1]} throughout. Received: "
            f"{last[0]} x {last[1]} at frame {k}.",
        )
