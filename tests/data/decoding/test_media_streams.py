"""Streams that turn, change or end early."""

import struct

import av
import numpy as np
import pytest

from keras_balance.data.decoding import media
from keras_balance.data.decoding.files import MediaError


def refused(read, path, *arguments):
    with pytest.raises(MediaError) as caught:
        read(path, *arguments)
    return caught.value


def turn(path, matrix):
    """Writes a rotation matrix into an mp4 file's track headers."""
    data = bytearray(path.read_bytes())
    one = 1 << 16
    upright = struct.pack(">9i", one, 0, 0, 0, one, 0, 0, 0, 1 << 30)
    turned = struct.pack(">9i", *(one * m for m in matrix), 1 << 30)
    where = data.find(upright, data.find(b"tkhd"))
    assert where > 0
    data[where : where + 36] = turned
    path.write_bytes(data)


@pytest.mark.parametrize(
    "matrix, turns",
    [
        ((0, 1, 0, -1, 0, 0, 0, 0), -1),  # 90 degrees clockwise
        ((-1, 0, 0, 0, -1, 0, 0, 0), 2),
        ((0, -1, 0, 1, 0, 0, 0, 0), 1),
    ],
)
def test_rotation_metadata(tmp_path, make_video, matrix, turns):
    path = make_video(tmp_path / "a.mp4", count=31)
    upright = media.read_frames(path)
    turn(path, matrix)
    received = media.read_frames(path)
    expected = np.rot90(upright, turns, axes=(1, 2))
    np.testing.assert_array_equal(received, expected)


def write_sound(path, rate, layout="mono"):
    """A second of 440 Hz as mp3 in flv."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libmp3lame", rate=rate, layout=layout)
        tone = 9000 * np.sin(2 * np.pi * 440 * np.arange(rate) / rate)
        channels = np.stack([tone] * (1 + (layout == "stereo")))
        frame = av.AudioFrame.from_ndarray(
            channels.astype("int16"), format="s16p", layout=layout
        )
        frame.rate, frame.pts = rate, 0
        container.mux([*stream.encode(frame), *stream.encode(None)])


def flv_tags(data, kind):
    """Yields the tags of a kind (8 sound, 9 pictures) of an FLV file."""
    offset = 13
    while offset + 11 <= len(data):
        end = offset + 15 + int.from_bytes(data[offset + 1 : offset + 4], "big")
        if data[offset] == kind:
            yield bytearray(data[offset:end])
        offset = end


def join(first, second, path, kind):
    """Appends the second FLV file's tags, a good second later."""
    head, later = first.read_bytes(), second.read_bytes()
    tags = [*flv_tags(head, kind), *flv_tags(later, kind)]
    for tag in tags[len([*flv_tags(head, kind)]) :]:
        time = int.from_bytes(tag[4:7], "big") + 1050
        tag[4:7] = time.to_bytes(3, "big")
    path.write_bytes(head[:13] + b"".join(tags))


@pytest.mark.parametrize("rate, layout", [(44100, "mono"), (22050, "stereo")])
def test_sound_that_changes_within_a_stream(tmp_path, rate, layout):
    write_sound(tmp_path / "a.flv", 22050)
    write_sound(tmp_path / "b.flv", rate, layout)
    path = tmp_path / "c.flv"
    join(tmp_path / "a.flv", tmp_path / "b.flv", path, 8)
    received = media.read_audio_of_video(path, 8000)
    assert abs(len(received) - 2.1 * 8000) < 1200
    for middle in (4000, 12800):  # of the first and of the second second
        part = received[middle - 1000 : middle + 1000] * np.hanning(2000)
        peak = np.abs(np.fft.rfft(part)).argmax() * 4
        assert abs(peak - 440) <= 4
        assert part.std() > 0.1


def test_a_picture_size_that_changes(tmp_path, make_video):
    def make(name, size):
        path = tmp_path / name
        with av.open(str(path), "w") as container:
            stream = container.add_stream("flv", rate=30)
            (stream.height, stream.width), stream.pix_fmt = size, "yuv420p"
            frames = [
                av.VideoFrame.from_ndarray(
                    np.full((*size, 3), 90, "uint8"), format="rgb24"
                )
                for _ in range(31)
            ]
            for frame in [*frames, None]:
                container.mux(stream.encode(frame))
        return path

    path = tmp_path / "c.flv"
    join(make("a.flv", (32, 48)), make("b.flv", (48, 64)), path, 9)
    error = refused(media.read_frames, path)
    assert error.kind == "undecodable"
    assert "32 x 48 throughout. Received: 48 x 64 at frame" in error.text


def test_a_stream_that_ends_long_before_its_sibling(tmp_path, make_video):
    path = make_video(tmp_path / "a.avi", count=150, sound=True)  # 5 s, 1 s
    assert len(media.read_frames(path)) == 5
    assert refused(media.read_audio_of_video, path, 8000).kind == "truncated"


def test_a_short_video_passes_on_request(tmp_path, make_video):
    path = make_video(tmp_path / "a.avi", count=10, sound=True)  # 1/3 s, 1 s
    assert refused(media.read_frames, path).kind == "truncated"
    assert len(media.read_frames(path, allow_short=True)) == 1
