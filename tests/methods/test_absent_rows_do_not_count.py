"""What a modality's own logits and features hold in rows that lack it.

Such a row has no part in a score, a loss, a metric or a statistic of the
modality. Each method trains twice, with two sets of numbers written over what
absent rows yield: everything it logs and learns must be the same.
"""

import keras
import networks
import numpy as np
import pytest
import table
from keras import ops

NAMES = ("audio", "text")
ROWS = 24
# Methods that give the fusion features once more, where those of an absent row
# are read as what they are, zeros; of their other terms features are tested.
FUSED_AGAIN = {"agm": {}, "mcr": {"lam": 0.0}}


def data():
    """Both modalities are absent, in different rows of every batch."""
    x, y = networks.data(rows=ROWS, modalities=NAMES, seed=3)
    x["audio_present"] = np.arange(ROWS) % 4 != 1
    x["text_present"] = np.arange(ROWS) % 3 != 2
    x["text_present"] |= ~x["audio_present"]
    return x, y


def written_over(model, fields, seed):
    """Has absent rows yield numbers of their own, after the fusion."""
    combine = model.combine
    random = np.random.default_rng(seed)
    drawn = {}

    def poison(kind, name, value, present):
        width = value.shape[-1]
        if (kind, name) not in drawn:
            drawn[kind, name] = 3 * random.normal(size=(ROWS, width))
        noise = drawn[kind, name][: value.shape[0]]
        noise = ops.cast(ops.convert_to_tensor(noise), value.dtype)
        there = ops.reshape(present, (-1, 1)) > 0
        return ops.where(there, value, noise)

    def patched(features, inputs, training=False):
        outputs = combine(features, inputs, training=training)
        changed = {
            kind: {
                name: poison(kind, name, value, outputs.present[name])
                for name, value in getattr(outputs, kind).items()
            }
            for kind in fields
        }
        return outputs._replace(**changed)

    model.combine = patched


def trained(row, fields, seed):
    keras.utils.set_random_seed(1)
    model = networks.model(row, modalities=NAMES, eager=True)
    written_over(model, fields, seed)
    x, y = data()
    history = model.fit(
        x,
        y,
        validation_data=(x, y),
        batch_size=12,
        epochs=max(3, len(model.phases)),
        shuffle=False,
        verbose=0,
    ).history
    return history, networks.weights(model)


def assert_same(row, fields):
    one, two = (trained(row, fields, seed) for seed in (1, 2))
    for key, values in one[0].items():
        np.testing.assert_array_equal(values, two[0][key], err_msg=key)
    assert networks.difference(one[1], two[1]) == 0


def cases():
    """The first row of each method; the others are left out of CI."""
    for row in table.ROWS:
        marks = () if row in table.FIRST else pytest.mark.full
        yield pytest.param(row, id=row.id, marks=marks)


@pytest.mark.parametrize("row", cases())
def test_they_do_not_count(row):
    again = row.slug in FUSED_AGAIN
    fields = ("unimodal",) if again else ("unimodal", "features")
    assert_same(row, fields)


def test_features_that_mcr_does_not_fuse_again():
    row = table.Row("mcr", {"seed": 1, **FUSED_AGAIN["mcr"]})
    assert_same(row, ("unimodal", "features"))
