"""The two-dimensional map of features, against scikit-learn."""

import numpy as np
import pytest
from sklearn.decomposition import PCA

from keras_balance.errors import UsageError
from keras_balance.reports.feature_map import feature_map
from keras_balance.runs.features import read_features


def _features(samples, *shape):
    rng = np.random.default_rng(1)
    scale = np.linspace(3.0, 0.5, int(np.prod(shape))).reshape(shape)
    return rng.normal(2.0, 1.0, (samples, *shape)) * scale


def test_it_is_principal_component_analysis():
    features = _features(60, 8)
    found = feature_map(features)
    oracle = PCA(2, svd_solver="full").fit(features)
    points = oracle.transform(features)
    np.testing.assert_allclose(np.abs(found.points), np.abs(points), rtol=1e-8)
    np.testing.assert_allclose(found.shares, oracle.explained_variance_ratio_)
    assert list(found.rows) == list(range(60))


def test_the_sign_of_an_axis_does_not_depend_on_the_solver():
    features = _features(60, 8)
    found = feature_map(features)
    centred = features - features.mean(axis=0)
    axes, *_ = np.linalg.lstsq(centred, found.points)
    for axis in axes.T:
        assert axis[np.abs(axis).argmax()] > 0


def test_what_is_not_a_vector_is_flattened():
    features = _features(20, 3, 2)
    flat = feature_map(features.reshape(20, 6))
    np.testing.assert_array_equal(feature_map(features).points, flat.points)


def test_of_many_samples_a_thousand_are_drawn():
    found = feature_map(_features(2500, 4))
    assert found.points.shape == (1000, 2)
    assert len(set(found.rows)) == 1000 and found.rows.max() > 1500
    again = feature_map(_features(2500, 4))
    np.testing.assert_array_equal(found.rows, again.rows)


@pytest.mark.parametrize(
    "features",
    [
        np.ones((5, 3)),
        np.zeros((1, 3)),
        np.arange(5.0)[:, None],
        np.array([[1.0, np.nan], [2.0, 3.0]]),
    ],
    ids=["constant", "one sample", "one dimension", "not finite"],
)
def test_what_has_no_map(features):
    assert feature_map(features) is None


def test_reading_outputs(make_run, tmp_path):
    found = read_features(make_run())
    assert list(found) == ["audio", "visual"]
    for features, labels in found.values():
        assert features.shape == (372, 16) and labels.shape == (372,)
    assert read_features(tmp_path) == {}


def test_samples_without_the_modality_are_left_out(tmp_path):
    np.savez(
        tmp_path / "outputs.npz",
        **{
            "labels": np.arange(3),
            "features/audio": np.eye(3),
            "features/visual": np.eye(3),
            "present/visual": np.array([1.0, 0.0, 1.0]),
        },
    )
    found = read_features(tmp_path)
    assert list(found["audio"][1]) == [0, 1, 2]
    assert list(found["visual"][1]) == [0, 2]
    np.testing.assert_array_equal(found["visual"][0], np.eye(3)[[0, 2]])


@pytest.mark.parametrize("keep", [0, 10, 5000])
def test_broken_outputs(make_run, keep):
    path = make_run() / "outputs.npz"
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(UsageError, match="outputs.npz, broken"):
        read_features(path.parent)
