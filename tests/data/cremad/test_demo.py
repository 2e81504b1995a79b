import av
import numpy as np
import pytest
import soundfile

from keras_balance import data as datasets
from keras_balance.data.cremad.names import parse
from keras_balance.data.cremad.split import read_paper_split
from keras_balance.data.loading.splits import shared

cremad = datasets.get("cremad")


def test_formats_are_the_true_ones(demo):
    for path in (demo / "AudioWAV").glob("*.wav"):
        assert parse(path.stem)
        info = soundfile.info(path)
        assert (info.samplerate, info.channels) == (16000, 1)
        assert (info.format, info.subtype) == ("WAV", "PCM_16")
        assert 1.7 < info.duration < 3.1
        flv = demo / "VideoFlash" / f"{path.stem}.flv"
        with av.open(str(flv)) as container:
            assert container.format.name == "flv"
            video, audio = (
                container.streams.video[0],
                container.streams.audio[0],
            )
            assert video.codec_context.name == "flv"
            assert (video.height, video.width) == (32, 48)
            assert int(video.guessed_rate) == 30
            assert audio.codec_context.name.startswith("mp3")
            frames = sum(1 for _ in container.decode(video))
        assert frames == round(info.duration * 30)


def test_lists(demo):
    lists = read_paper_split(demo)
    assert not any(lists.pinned.values())
    assert [len(lists.parts[p]) for p in ("train", "test")] == [27, 9]
    names = {path.stem for path in (demo / "AudioWAV").glob("*.wav")}
    assert names == {*lists.parts["train"], *lists.parts["test"]}
    emotions = [name.split("_")[2] for name in names]
    assert {emotions.count(e) for e in emotions} == {6}
    assert len({name[:4] for name in names}) == 3


def test_lists_by_actor(tmp_path):
    cremad.write_demo(
        tmp_path, clips=24, actors=4, size=(16, 16), split="actors"
    )
    lists = read_paper_split(tmp_path).parts
    assert not shared({p: {n[:4] for n in names} for p, names in lists.items()})


@pytest.mark.parametrize(
    "arguments",
    [
        {"split": "random"},
        {"size": (33, 48)},
        {"actors": 2},
        {"clips": 12},
        {"clips": 1000, "actors": 3},
    ],
)
def test_bad_arguments(tmp_path, arguments):
    with pytest.raises(ValueError, match=next(iter(arguments))):
        cremad.write_demo(tmp_path, **arguments)


def test_the_sound_is_easy_and_the_picture_is_hard(tmp_path):
    """A linear classifier hears the emotion, and hardly sees it."""
    linear = pytest.importorskip("sklearn.linear_model")
    cremad.write_demo(tmp_path / "data", clips=120, size=(32, 48))
    settings = cremad.Settings(frame_size=(32, 48), frames=1)
    prepared = cremad.prepare(tmp_path / "data", tmp_path / "c", settings)
    cut = cremad.split(prepared, tmp_path / "data", settings)
    wave = prepared.arrays["audio"][:, : 512 * 128].reshape(120, -1, 512)
    spectra = np.abs(np.fft.rfft(wave * np.hanning(512)))
    features = {
        "audio": np.log(spectra + 1e-4).mean(1),
        "visual": prepared.arrays["visual"][:].reshape(120, -1) / 255,
    }
    accuracy = {}
    for name, x in features.items():
        model = linear.RidgeClassifier()
        model.fit(x[cut.train], prepared.labels[cut.train])
        accuracy[name] = model.score(x[cut.test], prepared.labels[cut.test])
    assert accuracy["audio"] > 0.8 > 0.5 > accuracy["visual"]
