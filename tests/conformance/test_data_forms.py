"""What a method reads between epochs, it reads from whatever `fit` takes."""

import keras
import networks
import numpy as np
import pytest
import table

ROWS, BATCH = 24, 8
READING = tuple(
    row
    for row in table.ROWS
    if row.slug == "pmr"
    or table.QUICK
    and row.slug in ("gblend-offline", "relearning", "lfm")
    and row.arguments.get("variant") != "code"
)


class Batches(keras.utils.PyDataset):
    def __init__(self, x, y):
        super().__init__(workers=1)
        self.arrays = x, y

    def __len__(self):
        return ROWS // BATCH

    def __getitem__(self, index):
        rows = slice(index * BATCH, (index + 1) * BATCH)
        return keras.tree.map_structure(lambda a: a[rows], self.arrays)


def tensorflow_data(x, y):
    tf = pytest.importorskip("tensorflow", reason="needs tf.data")
    return tf.data.Dataset.from_tensor_slices((x, y)).batch(BATCH)


def torch_loader(x, y):
    torch = pytest.importorskip("torch", reason="needs a DataLoader")

    def collate(rows):
        xs, ys = zip(*rows, strict=True)
        x = {k: torch.tensor(np.stack([r[k] for r in xs])) for k in xs[0]}
        return x, torch.tensor(np.array(ys))

    rows = [({k: v[i] for k, v in x.items()}, y[i]) for i in range(len(y))]
    return torch.utils.data.DataLoader(
        rows, batch_size=BATCH, collate_fn=collate
    )


def grain_data(x, y):
    grain = pytest.importorskip("grain", reason="needs grain")
    rows = [({k: v[i] for k, v in x.items()}, y[i]) for i in range(len(y))]
    return grain.MapDataset.source(rows).batch(BATCH)


FORMS = {
    "PyDataset": Batches,
    "tf.data": tensorflow_data,
    "DataLoader": torch_loader,
    "grain": grain_data,
}


def train(row, data, validation, **arguments):
    model = networks.reused(row, eager=True)
    model.fit(
        *data,
        validation_data=validation,
        epochs=row.phases + 1,
        shuffle=False,
        verbose=0,
        **arguments,
    )
    return networks.weights(model)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("row", READING, ids=lambda row: row.id)
def test_every_form_of_data_trains_alike(row, form):
    x, y = networks.data(rows=ROWS)
    expected = train(row, (x, y), (x, y), batch_size=BATCH)
    found = train(row, (FORMS[form](x, y),), FORMS[form](x, y))
    assert networks.difference(expected, found) < 1e-6


@pytest.mark.parametrize("row", READING, ids=lambda row: row.id)
def test_a_split_off_validation_part_is_not_read_for_training(row):
    x, y = networks.data(rows=ROWS)
    part = {k: v[:16] for k, v in x.items()}, y[:16]
    held = {k: v[16:] for k, v in x.items()}, y[16:]
    expected = train(row, part, held, batch_size=BATCH)
    model = networks.reused(row, eager=True)
    model.fit(
        x,
        y,
        validation_split=1 / 3,
        epochs=row.phases + 1,
        batch_size=BATCH,
        shuffle=False,
        verbose=0,
    )
    assert networks.difference(expected, networks.weights(model)) < 1e-6


def test_data_that_reading_uses_up_are_refused():
    row = table.Row("pmr", {"subset": 1.0})
    model = networks.reused(row, eager=True)
    x, y = networks.data(rows=ROWS)

    def generator():
        while True:
            yield {k: v[:BATCH] for k, v in x.items()}, y[:BATCH]

    with pytest.raises(TypeError, match="read more than once"):
        model.fit(generator(), steps_per_epoch=2, verbose=0)
