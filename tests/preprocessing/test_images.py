"""Grey images."""

import keras
import numpy as np
from keras import ops

from keras_balance.preprocessing.images import ImageScale


def test_values_and_shapes():
    images = np.arange(256, dtype=np.uint8).reshape(1, 16, 16)
    last = ops.convert_to_numpy(ImageScale("channels_last")(images))
    first = ops.convert_to_numpy(ImageScale("channels_first")(images))
    assert last.shape == (1, 16, 16, 1) and last.dtype == np.float32
    np.testing.assert_allclose(last[..., 0] * 255, images, atol=1e-4)
    np.testing.assert_array_equal(first[:, 0], last[..., 0])
    assert last.min() == 0 and last.max() == 1


def test_saved_with_its_data_format(tmp_path):
    inputs = keras.Input((28, 28), dtype="uint8")
    model = keras.Model(inputs, ImageScale("channels_first")(inputs))
    path = str(tmp_path / "model.keras")
    model.save(path)
    loaded = keras.models.load_model(path)
    assert loaded.output_shape == (None, 1, 28, 28)
