"""The spectrogram against a transform written out with NumPy."""

import json

import keras
import numpy as np
import pytest
from keras import ops

from keras_balance.preprocessing.spectrogram import LogSpectrogram


def librosa_like(waves, n_fft=512, hop=353, offset=1e-7, mode="reflect"):
    """log(|librosa.stft| + offset), frame by frame, in float64."""
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(n_fft) / n_fft)
    padded = np.pad(
        waves.astype("float64"), [(0, 0), (n_fft // 2, n_fft // 2)], mode=mode
    )
    frames = [
        np.fft.rfft(window * padded[:, start : start + n_fft], axis=1)
        for start in range(0, padded.shape[1] - n_fft + 1, hop)
    ]
    return np.log(np.abs(np.stack(frames, axis=2)) + offset)


def noise(samples, seed=0):
    return (
        np.random.default_rng(seed)
        .normal(0, 0.1, (2, samples))
        .astype("float32")
    )


def spectrogram(waves, **kwargs):
    arguments = {"data_format": "channels_last"}
    layer = LogSpectrogram(**{**arguments, **kwargs})
    return ops.convert_to_numpy(layer(waves))


@pytest.mark.parametrize("mode", ["reflect", "constant"])
def test_equals_numpy_at_the_papers_settings(mode):
    waves = noise(66150)
    result = spectrogram(waves, pad_mode=mode)
    assert result.shape == (2, 257, 188, 1) and result.dtype == np.float32
    expected = librosa_like(waves, mode=mode)
    # In magnitude: the logarithm of a bin near zero amplifies rounding.
    np.testing.assert_allclose(
        np.exp(result[..., 0]), np.exp(expected), atol=2e-5
    )
    assert np.median(np.abs(result[..., 0] - expected)) < 1e-5


@pytest.mark.parametrize(
    "n_fft, hop, samples", [(256, 128, 8000), (64, 100, 65), (512, 353, 512)]
)
def test_other_sizes(n_fft, hop, samples):
    waves = noise(samples)
    result = spectrogram(waves, n_fft=n_fft, hop=hop)
    assert result.shape == (2, n_fft // 2 + 1, 1 + samples // hop, 1)
    np.testing.assert_allclose(
        np.exp(result[..., 0]),
        np.exp(librosa_like(waves, n_fft, hop)),
        atol=2e-5,
    )


def test_silence_is_the_logarithm_of_the_offset():
    result = spectrogram(np.zeros((1, 2000), "float32"))
    np.testing.assert_allclose(result, np.log(1e-7), rtol=1e-6)


def test_channels_first():
    waves = noise(2000)
    np.testing.assert_array_equal(
        spectrogram(waves, data_format="channels_first"),
        spectrogram(waves).transpose(0, 3, 1, 2),
    )


def test_stays_float32_in_a_mixed_float16_model(tmp_path):
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_float16")
    try:
        inputs = keras.Input((800,))
        layer = LogSpectrogram(64, 32, data_format="channels_last")
        picture = layer(inputs)
        assert picture.dtype == "float32"
        assert picture.shape == (None, 33, 26, 1)
        pooled = keras.layers.GlobalAveragePooling2D(
            data_format="channels_last"
        )(picture)
        model = keras.Model(inputs, keras.layers.Dense(2)(pooled))
        model.compile("sgd", loss="mse")
        model.fit(noise(800), np.zeros((2, 2)), epochs=1, verbose=0)
        path = str(tmp_path / "model.keras")
        model.save(path)
        loaded = keras.models.load_model(path)
    finally:
        keras.config.set_dtype_policy(before)
    np.testing.assert_array_equal(
        model.predict(noise(800), verbose=0),
        loaded.predict(noise(800), verbose=0),
    )


def test_config_round_trip():
    layer = LogSpectrogram(256, 100, 1e-5, "constant", "channels_first")
    config = json.loads(json.dumps(layer.get_config()))
    assert LogSpectrogram.from_config(config).get_config() == config


def test_bad_arguments():
    with pytest.raises(ValueError, match="expected pad_mode"):
        LogSpectrogram(pad_mode="edge")
    for bad in [{"n_fft": 511}, {"hop": 0}, {"offset": 0}]:
        with pytest.raises(ValueError, match="expected an even n_fft"):
            LogSpectrogram(**bad)
    with pytest.raises(ValueError, match="more than 256 samples"):
        spectrogram(noise(256))
