import wave

import av
import numpy as np
import pytest
import soundfile
from scipy import signal

from keras_balance.data.decoding import media
from keras_balance.data.decoding.files import MediaError


def read_pcm(path):
    """PCM16 by the standard library: an independent reading."""
    with wave.open(str(path)) as file:
        data = file.readframes(file.getnframes())
        return np.frombuffer(data, "<i2") / 32768, file.getframerate()


def test_genuine_wavs_equal_the_standard_library(real):
    paths = sorted((real / "cremad" / "AudioWAV").glob("*.wav"))
    assert len(paths) == 4
    for path in paths:
        expected, rate = read_pcm(path)
        assert rate == 16000
        received = media.read_audio(path, 16000)
        assert received.dtype == np.float32
        np.testing.assert_array_equal(received, expected.astype("float32"))


def test_upsampling_genuine_wavs_agrees_with_another_filter(real):
    for path in sorted((real / "cremad" / "AudioWAV").glob("*.wav")):
        wave_16k, _ = read_pcm(path)
        received = media.read_audio(path, 22050)
        expected = signal.resample_poly(
            wave_16k, 441, 320, window=("kaiser", 14.0)
        )
        assert abs(len(received) - 22050 / 16000 * len(wave_16k)) <= 1
        n = min(len(received), len(expected))
        error = received[:n] - expected[:n]
        scale = np.sqrt(np.mean(expected**2))
        assert np.sqrt(np.mean(error**2)) < 0.02 * scale


def test_spoken_digits_equal_the_standard_library(real):
    paths = sorted((real / "fsdd" / "recordings").glob("*.wav"))[::40]
    for path in paths:
        expected, rate = read_pcm(path)
        assert rate == 8000
        received = media.read_audio(path, 8000)
        np.testing.assert_array_equal(received, expected.astype("float32"))


@pytest.mark.parametrize(
    "name, frames, shape",
    [
        # 164 frames at 25 fps: 0, 25, ..., 150
        ("flv_fixture_derived/v_ApplyEyeMakeup_g01_c01.flv", 7, (360, 480)),
        ("grid/bbaf2n.mpg", 3, (288, 360)),  # 75 frames at 25 fps
        # 201 frames at 29.97 fps, truncated to 29: 0, 29, ..., 174
        ("ucf101/v_Biking_g05_c02.avi", 7, (240, 320)),
        ("ucf101/v_BaseballPitch_g01_c01.avi", 4, (240, 320)),  # 107 frames
    ],
)
def test_one_frame_per_second_of_real_videos(real, name, frames, shape):
    received = media.read_frames(real / name)
    assert received.shape == (frames, *shape, 3)
    assert received.dtype == np.uint8


def test_the_frames_are_those_that_the_rule_names(real):
    path = real / "ucf101" / "v_Biking_g05_c02.avi"
    with av.open(str(path)) as container:
        everything = [f.to_image() for f in container.decode(video=0)]
    expected = np.stack([np.asarray(f) for f in everything[::29]])
    np.testing.assert_array_equal(media.read_frames(path), expected)


def test_frame_numbers(tmp_path, make_video):
    path = make_video(tmp_path / "a.avi", count=61, rate=30)
    grey = media.read_frames(path).mean((1, 2, 3))
    np.testing.assert_allclose(grey, [0, 120, 240], atol=3)
    assert len(media.read_frames(path, per_second=2)) == 5


def test_sound_of_real_videos(real):
    wave_22k = media.read_audio_of_video(real / "grid" / "bbaf2n.mpg", 22050)
    assert wave_22k.ndim == 1
    assert abs(len(wave_22k) / 22050 - 2.98) < 0.1
    flv = real / "flv_fixture_derived" / "v_ApplyEyeMakeup_g01_c01.flv"
    assert media.read_audio_of_video(flv, 16000).std() > 0.001


def test_sound_of_a_video_is_the_sound_written(tmp_path, make_video):
    path = make_video(tmp_path / "a.avi", sound=True)
    received = media.read_audio_of_video(path, 8000)
    expected = 9000 * np.sin(2 * np.pi * 440 * np.arange(8000) / 8000) / 32768
    np.testing.assert_allclose(received, expected, atol=1 / 32768)


def test_channels_are_averaged(tmp_path):
    left = np.linspace(-0.5, 0.5, 100)
    soundfile.write(tmp_path / "a.wav", np.stack([left, -left / 2], 1), 8000)
    received = media.read_audio(tmp_path / "a.wav", 8000)
    np.testing.assert_allclose(received, left / 4, atol=1 / 32768)


def test_resize_only_where_the_size_differs():
    frames = np.full((2, 30, 40, 3), 77, "uint8")
    assert media.resize_frames(frames, (30, 40)) is frames
    resized = media.resize_frames(frames, (12, 17))
    assert resized.shape == (2, 12, 17, 3)
    np.testing.assert_allclose(resized, 77, atol=1)


LFS = (
    "version https://git-lfs.github.com/spec/v1\n"
    f"oid sha256:{'0' * 64}\nsize 72862\n"
)


def make_bad(kind, path, make_video):
    """Makes the malformed file of a row in the table below."""
    if kind == "missing":
        return
    if kind == "empty":
        path.write_bytes(b"")
    elif kind == "lfs-stub":
        path.write_text(LFS)
    elif kind == "undecodable":
        path.write_bytes(bytes(range(256)) * 20)
    elif path.suffix == ".wav":
        count = 0 if kind == "no-samples" else 4000
        samples = np.zeros(count)
        if kind == "truncated":
            samples += 0.5
        soundfile.write(path, samples, 16000, subtype="PCM_16")
        if kind == "truncated":
            path.write_bytes(path.read_bytes()[:-1000])
    elif kind == "no-frames":
        make_video(path, sound=True, video=False)
    else:
        make_video(path, sound=kind != "no-audio")
        if kind == "truncated":
            path.write_bytes(path.read_bytes()[:-2000])


@pytest.mark.parametrize(
    "reader, name, kind, text",
    [
        (media.read_audio, "a.wav", "missing", "does not exist"),
        (media.read_audio, "a.wav", "empty", "empty (0 bytes)"),
        (media.read_audio, "a.wav", "lfs-stub", "git lfs pull"),
        (media.read_audio, "a.wav", "truncated", "is truncated: expected"),
        (media.read_audio, "a.wav", "no-samples", "zero length"),
        (media.read_audio, "a.wav", "silent", "every sample is zero"),
        (media.read_audio, "a.wav", "undecodable", "cannot be decoded"),
        (media.read_audio_of_video, "a.avi", "no-audio", "no audio stream"),
        (media.read_audio_of_video, "a.avi", "missing", "does not exist"),
        (media.read_audio_of_video, "a.avi", "undecodable", "be decoded"),
        (media.read_frames, "a.flv", "missing", "does not exist"),
        (media.read_frames, "a.flv", "empty", "empty (0 bytes)"),
        (media.read_frames, "a.flv", "lfs-stub", "git lfs pull"),
        (media.read_frames, "a.avi", "truncated", "is truncated: expected"),
        (media.read_frames, "a.avi", "no-frames", "no video stream"),
        (media.read_frames, "a.flv", "undecodable", "cannot be decoded"),
    ],
)
def test_bad_files(tmp_path, make_video, reader, name, kind, text):
    path = tmp_path / name
    make_bad(kind, path, make_video)
    arguments = () if reader is media.read_frames else (16000,)
    with pytest.raises(MediaError) as caught:
        reader(path, *arguments)
    assert caught.value.kind == kind
    assert caught.value.path == str(path)
    assert str(path) in caught.value.message
    assert text in caught.value.message


def test_a_truncated_flv_is_told_at_every_length(demo, tmp_path):
    data = next((demo / "VideoFlash").glob("*.flv")).read_bytes()
    path = tmp_path / "a.flv"
    ends = _tag_ends(data)
    for length in range(20, len(data) - 4, len(data) // 97):
        if length in ends:  # a whole number of tags: nothing tells
            continue
        path.write_bytes(data[:length])
        with pytest.raises(MediaError) as caught:
            media.read_frames(path)
        assert caught.value.kind == "truncated", length


def _tag_ends(data):
    ends, offset = set(), 13
    while offset + 4 <= len(data):
        size = int.from_bytes(data[offset + 1 : offset + 4], "big")
        end = offset + 11 + size
        # Between a tag's end and the header of the next, nothing is missing.
        ends.update(range(end, end + 8))
        offset = end + 4
    return ends


def test_a_silent_file_passes_on_request(tmp_path):
    soundfile.write(tmp_path / "a.wav", np.zeros(800), 8000)
    wave_8k = media.read_audio(tmp_path / "a.wav", 8000, allow_silent=True)
    assert not wave_8k.any() and len(wave_8k) == 800


def test_not_a_number_is_refused(tmp_path):
    samples = np.array([0.1, np.nan, 0.2])
    soundfile.write(tmp_path / "a.wav", samples, 8000, subtype="FLOAT")
    with pytest.raises(MediaError, match="NaN or infinite"):
        media.read_audio(tmp_path / "a.wav", 8000)
