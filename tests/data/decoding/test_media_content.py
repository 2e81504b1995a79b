"""Files are judged by what is decoded from them."""

import shutil
import struct

import av
import numpy as np
import pytest
import soundfile

from keras_balance.data.decoding import media
from keras_balance.data.decoding import waves
from keras_balance.data.decoding.files import MediaError

RATE = 16000


def noise(count, scale=0.1, seed=0):
    return np.random.default_rng(seed).normal(size=count) * scale


def refused(read, path, *arguments):
    with pytest.raises(MediaError) as caught:
        read(path, *arguments)
    assert str(path) in caught.value.message
    return caught.value


def write_video(path, codec="mpeg4", rate=25, count=75, size=(48, 64)):
    """Noise that moves, of `count` frames, with a tone where mp3 fits."""
    rng = np.random.default_rng(0)
    with av.open(str(path), "w") as container:
        video = container.add_stream(codec, rate=rate)
        video.height, video.width = size
        video.pix_fmt = "yuv420p"
        video.bit_rate = 2_000_000
        audio = container.add_stream("libmp3lame", rate=22050, layout="mono")
        sound = (noise(count * 22050 // rate) * 32768).astype("int16")[None]
        sound = av.AudioFrame.from_ndarray(sound, format="s16p", layout="mono")
        sound.rate, sound.pts = 22050, 0
        packets = [*audio.encode(sound), *audio.encode(None)]
        for k in range(count):
            picture = rng.integers(0, 256, (*size, 3), "uint8")
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts = k
            packets += video.encode(frame)
        packets += video.encode(None)
        for packet in sorted(packets, key=lambda p: p.dts * p.time_base):
            container.mux(packet)
    return path


VIDEOS = {
    "a.mp4": "mpeg4",
    "a.mkv": "mpeg4",
    "a.avi": "mpeg4",
    "a.flv": "flv",
}


@pytest.mark.parametrize("name", VIDEOS)
@pytest.mark.parametrize("harm", ["half", "zero tail", "zeros inside"])
def test_damaged_videos(tmp_path, name, harm):
    path = write_video(tmp_path / name, VIDEOS[name])
    assert len(media.read_frames(path)) == 3
    assert len(media.read_audio_of_video(path, RATE)) > 2.9 * RATE
    data = path.read_bytes()
    size = len(data)
    kept, lost = size // 3, size // 4
    path.write_bytes(
        {
            "half": data[: size // 2],
            "zero tail": data[: size // 2] + bytes(size - size // 2),
            "zeros inside": data[:kept] + bytes(lost) + data[kept + lost :],
        }[harm]
    )
    for error in (
        refused(media.read_frames, path),
        refused(media.read_audio_of_video, path, RATE),
    ):
        assert error.kind in ("truncated", "undecodable")


def read_sound(path):
    return media.read_audio_of_video(path, RATE)


def check_breaking_off(path):
    """The second half is lost or zeros: pictures and sound are refused."""
    data = path.read_bytes()
    half = len(data) // 2
    for tail in (b"", bytes(len(data) - half)):
        path.write_bytes(data[:half] + tail)
        for read in (media.read_frames, read_sound, media.has_audio):
            assert refused(read, path).kind == "truncated"


def test_a_live_matroska_file_that_breaks_off(real, tmp_path):
    path = tmp_path / "a.mkv"
    with (
        av.open(str(real / "kinetics" / "flipping_a_pancake.mkv")) as source,
        av.open(str(path), "w", options={"live": "1"}) as live,
    ):
        streams = {
            s.index: live.add_stream_from_template(s) for s in source.streams
        }
        for packet in source.demux():
            if packet.dts is not None:
                packet.stream = streams[packet.stream.index]
                live.mux(packet)
    assert len(media.read_frames(path)) == 11
    check_breaking_off(path)


def test_a_program_stream_that_breaks_off(real, tmp_path):
    path = tmp_path / "a.mpg"
    shutil.copyfile(real / "grid" / "bbaf2n.mpg", path)
    check_breaking_off(path)


@pytest.mark.parametrize(
    "name, subtype",
    [
        ("a.ogg", "VORBIS"),
        ("a.ogg", "OPUS"),
        ("a.flac", "PCM_16"),
        ("a.mp3", None),
        ("a.aiff", "PCM_16"),
        ("a.rf64", "PCM_16"),
        ("a.w64", "PCM_16"),
        ("a.au", "PCM_16"),
        ("a.wav", "PCM_16"),
    ],
)
@pytest.mark.parametrize("harm", ["half", "zero tail"])
def test_damaged_sounds(tmp_path, name, subtype, harm):
    path = tmp_path / name
    soundfile.write(path, noise(2 * RATE), RATE, subtype=subtype)
    assert abs(len(media.read_audio(path, RATE)) - 2 * RATE) < 2400
    data = path.read_bytes()
    half = len(data) // 2
    tail = bytes(len(data) - half) if harm == "zero tail" else b""
    path.write_bytes(data[:half] + tail)
    error = refused(media.read_audio, path, RATE)
    assert error.kind in ("truncated", "undecodable")


def test_real_files_pass(real):
    count = 0
    for path in sorted((real / "nvgesture").rglob("*.avi"))[::6]:
        media.read_frames(path)
        count += 1
    for name in ("grid/*.mpg", "kinetics/*.mkv", "kinetics/*.mp4"):
        for path in sorted(real.glob(name))[:2]:
            media.read_frames(path)
            if media.has_audio(path):
                media.read_audio_of_video(path, RATE)
            count += 1
    media.read_audio(next((real / "vggsound").glob("*.wav")), RATE)
    assert count >= 8


def test_a_recording_may_end_in_digital_silence(real, tmp_path):
    """Padded to a round length, or faded: nothing says that it broke off."""
    path, judged = tmp_path / "a.wav", 0
    recordings = sorted((real / "fsdd" / "recordings").glob("*.wav"))[::20]
    for recording in recordings:
        wave, rate = soundfile.read(recording, dtype="int16")
        padded = np.zeros(rate, "int16")
        padded[: len(wave)] = wave[:rate]
        soundfile.write(path, padded, rate)
        try:
            media.read_audio(path, rate)
        except MediaError:
            judged += 1  # its last 20 ms are loud
    assert len(recordings) == 100 and judged <= 3


def test_faded_and_gated_recordings_pass(tmp_path):
    path = tmp_path / "a.wav"
    wave = noise(31234)
    wave[20001:] = 0
    soundfile.write(path, wave, RATE)
    assert refused(media.read_audio, path, RATE).kind == "truncated"
    faded = wave.copy()
    faded[16001:20001] *= np.linspace(1, 0, 4000)
    soundfile.write(path, faded, RATE)
    assert len(media.read_audio(path, RATE)) == 31234
    gated = wave.copy()
    gated[5000:8000] = 0
    soundfile.write(path, gated, RATE)
    assert len(media.read_audio(path, RATE)) == 31234
    soundfile.write(path, noise(20001), RATE)  # no tail at all
    assert len(media.read_audio(path, RATE)) == 20001


def test_zeros_from_a_disk_block_on(tmp_path):
    """A short tail is told by where it begins: a block of the file."""
    path = tmp_path / "a.wav"
    soundfile.write(path, noise(40000), RATE)
    data = path.read_bytes()
    block = len(data) // 4096 * 4096 - 4096
    path.write_bytes(data[:block] + bytes(len(data) - block))
    assert refused(media.read_audio, path, RATE).kind == "truncated"
    elsewhere = block + 1000
    path.write_bytes(data[:elsewhere] + bytes(len(data) - elsewhere))
    assert len(media.read_audio(path, RATE)) == 40000


@pytest.mark.parametrize("count", [1, 2, 4])
def test_a_wave_too_short_to_resample(tmp_path, count):
    soundfile.write(tmp_path / "a.wav", np.full(count, 0.5), 44100)
    for silent in (False, True):
        error = refused(media.read_audio, tmp_path / "a.wav", 8000, silent)
        assert error.kind == "no-samples"
        assert f"{count} samples at 44100 Hz" in error.text


def test_channels_of_opposite_phase_are_heard(tmp_path):
    left = noise(8000)
    soundfile.write(tmp_path / "a.wav", np.stack([left, -left], 1), 8000)
    received = media.read_audio(tmp_path / "a.wav", 8000)
    np.testing.assert_allclose(np.abs(received), np.abs(left), atol=1e-4)


@pytest.mark.parametrize("peak, scale", [(9000, 2**15), (3e6, 2**23)])
def test_float_samples_on_the_integer_scale(tmp_path, peak, scale):
    tone = np.sin(np.arange(800) / 9)
    soundfile.write(tmp_path / "a.wav", peak * tone, 8000, subtype="FLOAT")
    received = media.read_audio(tmp_path / "a.wav", 8000)
    np.testing.assert_allclose(received, peak / scale * tone, atol=1e-6)


def test_float_samples_over_full_scale_stay(tmp_path):
    tone = 1.5 * np.sin(np.arange(800) / 9)
    soundfile.write(tmp_path / "a.wav", tone, 8000, subtype="FLOAT")
    received = media.read_audio(tmp_path / "a.wav", 8000)
    np.testing.assert_allclose(received, tone, atol=1e-6)


def test_float_samples_of_no_scale(tmp_path):
    soundfile.write(tmp_path / "a.wav", [0.0, 1e20], 8000, subtype="FLOAT")
    assert "1e+20" in refused(media.read_audio, tmp_path / "a.wav", 8000).text


@pytest.mark.parametrize("riff", [0, 0xFFFFFFFF, 0x7FFFF024, 0x80000024])
@pytest.mark.parametrize("size", [0, 0xFFFFFFFF, 0x7FFFF000, 0x80000000, None])
def test_sizes_that_a_pipe_leaves(tmp_path, riff, size):
    path = tmp_path / "a.wav"
    soundfile.write(path, noise(4000), 8000)
    expected = media.read_audio(path, 8000)
    data = bytearray(path.read_bytes())
    struct.pack_into("<I", data, 4, riff)
    if size is not None:
        struct.pack_into("<I", data, 40, size)
    path.write_bytes(data)
    np.testing.assert_array_equal(media.read_audio(path, 8000), expected)


def test_the_samples_chunk_promises_too(tmp_path):
    path = tmp_path / "a.wav"
    soundfile.write(path, noise(4000), 8000)
    data = bytearray(path.read_bytes()[:5000])
    struct.pack_into("<I", data, 4, len(data) - 8)
    path.write_bytes(data)
    assert refused(media.read_audio, path, 8000).kind == "truncated"


def test_thresholds_hold_on_every_real_recording(real):
    paths = [
        *sorted((real / "fsdd" / "recordings").glob("*.wav"))[::10],
        *(real / "cremad" / "AudioWAV").glob("*.wav"),
    ]
    for path in paths:
        wave, rate = soundfile.read(path, always_2d=True)
        tail = len(wave) - 1 - np.flatnonzero(wave.any(axis=1))[-1]
        assert tail < waves.TAIL_SECONDS * rate / 10
