"""Streams of containers that FFmpeg reads, judged by what they promise."""

import av

from keras_balance.data.decoding.files import MediaError
from keras_balance.data.decoding.files import check_complete

NONE = {
    "audio": ("no-audio", "the video has no audio stream."),
    "video": ("no-frames", "the file has no video stream."),
}
# Containers whose headers state a duration; elsewhere FFmpeg guesses it.
STATING = ("mov", "matroska", "avi", "flv", "asf")
# What may lack of a stated duration. In 27 real files (avi, flv, mkv, mp4)
# at most 0.05 s do. FLV writers round and guess more.
SLACK_SECONDS, SLACK, SLACK_FLV = 0.5, 0.05, 0.25
# A stream shorter than this share of its sibling has lost the rest.
SIBLING = 0.5
# Coded pictures and sound hold no long run of zeros: 171 bytes at most in
# 34 real files, 8 in black or silent ones of 14 codecs. Tiny packets stand for
# a picture that is left out.
ZEROS, TINY = bytes(512), 8
UNCODED = ("pcm_", "rawvideo")


def decode(path, kind, allow_short=False):
    """Yields the frames of a file's first stream of a kind.

    Afterwards their length is compared with what the stream, the container
    and the other streams say.

    Args:
        path: a file that FFmpeg reads.
        kind: `"audio"` or `"video"`.
        allow_short: accept a stream that is shorter than it says.

    Yields:
        A tuple `(frame, stream)` of PyAV's.

    Raises:
        MediaError: where the file is missing, empty, a git-LFS stub,
            truncated, undecodable or without such a stream.
    """
    check_complete(path)
    try:
        with av.open(str(path)) as container:
            stream = _first(container, kind)
            if stream is None:
                missing, text = NONE[kind]
                raise MediaError(missing, path, text)
            extents, decoded = {}, _Length()
            for packet in container.demux():
                _extend(extents, packet)
                if packet.stream is not stream:
                    continue
                _check_packet(path, packet)
                for frame in packet.decode():
                    decoded.add(frame, stream)
                    yield frame, stream
            if not allow_short:
                _check_extent(path, container, stream, extents, decoded.seconds)
    except av.FFmpegError as error:
        raise undecodable(path, error) from error


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
        raise undecodable(path, error) from error


def frame_rate(stream):
    """Frames per second of a video stream."""
    return stream.guessed_rate or stream.average_rate or 1


def undecodable(path, error):
    """Returns the `MediaError` of what FFmpeg refuses."""
    return MediaError(
        "undecodable", path, f"the video cannot be decoded ({error})."
    )


class _Length:
    """Seconds of the frames seen: by samples, or by a picture's time.

    Where the rate is constant by the header, half a second without a picture
    is a gap, and is not counted.
    """

    def __init__(self):
        self.seconds = 0.0
        self._last = None

    def add(self, frame, stream):
        """Counts a frame."""
        if stream.type == "audio":
            self.seconds += frame.samples / frame.sample_rate
            return
        step = float(1 / frame_rate(stream))
        passed = step
        if None not in (frame.time, self._last):
            passed = max(0.0, frame.time - self._last)
        constant = stream.average_rate == stream.guessed_rate
        lost = constant and passed > step + SLACK_SECONDS
        self.seconds += step if lost else passed
        self._last = frame.time


def _first(container, kind):
    return next((s for s in container.streams if _is_a(s, kind)), None)


def _is_a(stream, kind):
    # An attached picture is a cover, not a video.
    cover = av.stream.Disposition.attached_pic
    return stream.type == kind and not stream.disposition & cover


def _extend(extents, packet):
    """Keeps the first and last second of each stream's packets."""
    time = packet.dts if packet.pts is None else packet.pts
    if time is None or packet.time_base is None:
        return
    start = float(time * packet.time_base)
    end = float((time + (packet.duration or 0)) * packet.time_base)
    first, last = extents.get(packet.stream.index, (start, end))
    extents[packet.stream.index] = min(first, start), max(last, end)


def _check_packet(path, packet):
    if packet.stream.codec_context.name.startswith(UNCODED):
        return
    data = bytes(packet)
    if ZEROS in data or (len(data) > TINY and not data.strip(b"\0")):
        where = "" if packet.pos is None else f" at byte {packet.pos}"
        raise MediaError(
            "truncated",
            path,
            f"the file is damaged: expected coded {packet.stream.type}"
            f"{where}. Received: zeros.",
        )


def _check_extent(path, container, stream, extents, decoded):
    """Compares seconds: of the container, the stream and its siblings."""
    lengths = {
        s.index: extents[s.index][1] - extents[s.index][0]
        for kind in NONE
        for s in container.streams
        if _is_a(s, kind) and s.index in extents
    }
    form = container.format.name.split(",")[0]
    slack = SLACK_FLV if form == "flv" else SLACK
    if form in STATING:
        if container.duration and extents:
            first = min(start for start, _ in extents.values())
            last = max(end for _, end in extents.values())
            stated = container.duration / av.time_base
            _compare(path, "file's header", stated, last - first, slack)
        if stream.duration:
            stated = float(stream.duration * stream.time_base)
            _compare(path, f"{stream.type}'s header", stated, decoded, slack)
    own = lengths.get(stream.index, 0)
    _compare(path, f"{stream.type}'s packets", own, decoded, slack)
    longest = max(lengths.values(), default=0)
    _compare(path, "other stream", longest, decoded, SIBLING)


def _compare(path, source, stated, received, slack):
    if received + max(SLACK_SECONDS, slack * stated) >= stated:
        return
    raise MediaError(
        "truncated",
        path,
        f"the file is truncated: expected {stated:.2f} seconds from the "
        f"{source}. Received: {received:.2f} seconds.",
    )
