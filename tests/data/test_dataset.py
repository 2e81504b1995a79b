"""What a data set inherits, on the smallest one there is."""

import numpy as np
import pytest

from keras_balance.data import Input
from keras_balance.data import Item
from keras_balance.data.loading.batches import BatchDataset
from keras_balance.data.loading.splits import PARTS
from keras_balance.errors import UsageError


def test_prepare_and_split(tones, tones_folder, tmp_path):
    settings = tones.Settings()
    prepared = tones.prepare(tones_folder, tmp_path / "c", settings)
    assert prepared.names == sorted(prepared.names) and len(prepared) == 48
    values, _ = tones.decode(tones.items(tones_folder, settings)[7], settings)
    for name, leaf in tones.inputs(settings).items():
        np.testing.assert_array_equal(prepared.arrays[name][7], values[name])
        assert prepared.arrays[name].shape[1:] == leaf.shape
        assert prepared.arrays[name].dtype == leaf.dtype
    cut = tones.split(prepared, tones_folder, settings)
    assert [len(getattr(cut, part)) for part in PARTS] == [16, 16, 16]
    singers = [{prepared.groups[i] for i in getattr(cut, p)} for p in PARTS]
    assert singers[2] == {"cleo"} and not singers[0] & singers[1]
    assert "16 samples cut from train, whole groups" in cut.description[-1]


def test_without_validation(tones, tones_folder, tmp_path):
    settings = tones.Settings(validation=0.0)
    prepared = tones.prepare(tones_folder, tmp_path / "c", settings)
    cut = tones.split(prepared, tones_folder, settings)
    assert [len(getattr(cut, part)) for part in PARTS] == [32, 0, 16]


@pytest.fixture
def ungrouped(tones, monkeypatch):
    """Gives the items no groups, and labels by a function of theirs."""
    original = type(tones).items

    def replace(label):
        def items(self, *arguments):
            return [
                Item(i.name, label(i.label), i.files, i.part)
                for i in original(self, *arguments)
            ]

        monkeypatch.setattr(type(tones), "items", items)

    return replace


def test_without_groups_the_cut_is_stratified(
    tones, tones_folder, tmp_path, ungrouped
):
    ungrouped(int)
    settings = tones.Settings(validation=0.25)
    prepared = tones.prepare(tones_folder, tmp_path / "c", settings)
    cut = tones.split(prepared, tones_folder, settings)
    assert np.bincount(prepared.labels[cut.validation]).tolist() == [4, 4]


def test_a_label_may_be_an_array(tones, tones_folder, tmp_path, ungrouped):
    ungrouped(lambda label: np.array([label, 0.5], "float32"))
    settings = tones.Settings(validation=0.25)
    prepared = tones.prepare(tones_folder, tmp_path / "c", settings)
    assert prepared.labels.shape == (48, 2)
    assert prepared.labels.dtype == np.float32
    _, y = BatchDataset(prepared, np.arange(48), 5)[0]
    np.testing.assert_array_equal(y, prepared.labels[:5])
    assert y.dtype == np.float32
    cut = tones.split(prepared, tones_folder, settings)
    assert [len(getattr(cut, part)) for part in PARTS] == [24, 8, 16]
    assert "8 samples cut from train, at random" in cut.description[-1]


def test_a_modality_of_several_arrays(
    tones, tones_folder, tmp_path, monkeypatch
):
    """Token ids and a mask: stored apart, given together, judged as one."""
    kind = type(tones)
    inputs, decode = kind.inputs, kind.decode

    def inputs_of_two(self, settings):
        ids, mask = Input((8,), "int32"), Input((8,), "bool")
        text = {"ids": ids, "mask": mask}
        return {"audio": inputs(self, settings)["audio"], "text": text}

    def decode_two(self, item, settings, rng=None):
        values, warnings = decode(self, item, settings)
        ids = values.pop("visual")[0].astype("int32")
        return {**values, "text": {"ids": ids, "mask": ids > -1}}, warnings

    monkeypatch.setattr(kind, "inputs", inputs_of_two)
    monkeypatch.setattr(kind, "decode", decode_two)
    settings = tones.Settings()
    prepared = tones.prepare(tones_folder, tmp_path / "c", settings)
    x, _ = BatchDataset(prepared, np.arange(48), 5)[2]
    values, _ = tones.decode(tones.items(tones_folder, settings)[11], settings)
    assert x["text"]["mask"].shape == (5, 8) and x["text"]["mask"].all()
    np.testing.assert_array_equal(x["text"]["ids"][1], values["text"]["ids"])
    np.testing.assert_array_equal(x["audio"][1], values["audio"])
    assert tones.doctor(tones_folder).ok  # the masks are all the same


def test_not_here(tones, tmp_path):
    for folder, text in ((tmp_path, "has none"), (tmp_path / "a", "not exist")):
        with pytest.raises(UsageError, match=text) as caught:
            tones.prepare(folder, tmp_path / "c", tones.Settings())
        assert "keras-balance data fetch tones" in caught.value.hint


def test_what_cannot_be_fetched_is_said(tones, tmp_path):
    with pytest.raises(UsageError, match="Tones and pictures is not free") as e:
        tones.fetch(tmp_path)
    assert "audio: this package's write_demo writes it" in e.value.message


def test_a_set_must_say_what_it_is(tones):
    base = type(tones).__mro__[1](tones)
    with pytest.raises(NotImplementedError, match="DataSet must define items"):
        base.items(None, None)
