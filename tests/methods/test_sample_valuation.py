"""SMV: the truth table, steps in plain torch, and every kind of data."""

import os
from pathlib import Path

import keras
import networks
import numpy as np
import plain_torch
import pytest
import table
import torch
from hypothesis import given
from hypothesis import strategies as st

from keras_balance.data.loading.batches import BatchDataset
from keras_balance.methods import sample_valuation as smv
from keras_balance.methods.sample_valuation_data import drawn
from keras_balance.models.fit_data import FitData

NAMES = ("audio", "text")
EAGER = {"run_eagerly": True}
ROWS, BATCH = 40, 16


def make(modalities=NAMES, **arguments):
    return networks.model(
        table.Row("smv"),
        modalities=modalities,
        optimizer=plain_torch.optimizer(),
        compile_arguments=EAGER,
        **{"seed": 1, "warmup_epochs": 1, **arguments},
    )


def data(rows=ROWS, modalities=NAMES):
    return networks.data(rows=rows, modalities=modalities, seed=3)


def fit(model, *given, epochs=3, **arguments):
    arguments = {"batch_size": BATCH, "shuffle": False, **arguments}
    return model.fit(*given, epochs=epochs, verbose=0, **arguments).history


# The values -------------------------------------------------------------------

# v_a, v_v, v_av: values and copies, then those of variant="code".
TRUTH = {
    "111": ((1, 1), (0, 0), (0.5, 0.5), (1, 1)),
    "101": ((1.5, 0.5), (0, 1), (1, 0), (0, 2)),
    "011": ((0.5, 1.5), (1, 0), (0, 1), (2, 0)),
    "001": ((1, 1), (0, 0), (0.5, 0.5), (1, 1)),
    "110": ((0, 0), (2, 2), (0, 0), (2, 2)),
    "100": ((0.5, -0.5), (1, 3), (0.5, -0.5), (1, 3)),
    "010": ((-0.5, 0.5), (3, 1), (-0.5, 0.5), (3, 1)),
    "000": ((0, 0), (2, 2), (0, 0), (2, 2)),
}


@pytest.mark.parametrize("right", TRUTH)
def test_values_and_copies_are_those_of_the_truth_table(right):
    flags = np.array([[int(one) for one in right]], bool)
    present = np.ones((1, 2), bool)
    for i, variant in enumerate(("paper", "code")):
        phi = smv.shapley(smv.benefits(flags, present, variant))
        expected, copied = TRUTH[right][2 * i : 2 * i + 2]
        np.testing.assert_allclose(phi, [expected], atol=1e-12)
        assert smv.copies(phi).tolist() == [list(copied)]


def test_values_of_three_modalities():
    # v1 = 1, v12 = 2 and v123 = 3; nothing else is right.
    right = np.zeros((1, 7), bool)
    right[0, [0b001 - 1, 0b011 - 1, 0b111 - 1]] = True
    phi = smv.shapley(smv.benefits(right, np.ones((1, 3), bool)))
    np.testing.assert_allclose(phi, [[1.666667, 1.166667, 0.166667]], atol=1e-6)
    assert smv.copies(phi).tolist() == [[0, 0, 2]]


def test_values_on_real_logits():
    folder = os.environ.get("KERAS_BALANCE_TEST_DATA")
    path = Path(folder or "") / "cremad_reconboost_logits" / "logits.npz"
    if not folder or not path.is_file():
        pytest.skip(f"needs KERAS_BALANCE_TEST_DATA with {path.parts[-2:]}")
    with np.load(path) as arrays:
        audio, visual = arrays["audio"], arrays["visual"]
        label = arrays["label"]
    right = [
        logits.argmax(1) == label for logits in (audio, visual, audio + visual)
    ]
    present = np.ones((len(label), 2), bool)
    phi = smv.shapley(smv.benefits(np.stack(right, 1), present))
    np.testing.assert_allclose(phi.mean(0), [0.746449, 0.875710], atol=1e-6)
    counts = [
        [int(np.sum(phi[:, m] == value)) for value in (-0.5, 0, 0.5, 1, 1.5)]
        for m in range(2)
    ]
    assert counts == [[42, 77, 165, 332, 88], [14, 77, 130, 332, 151]]


def test_shares_of_modalities():
    shares = smv.copied_shares([1.1, 0.35], 1.0)
    np.testing.assert_allclose(shares, [0, 0.5])
    counts = []
    for seed in range(200):
        rng = np.random.default_rng(seed)
        rows, kept = drawn(1000, None, shares, rng, True)
        assert len(rows) == 1000 and set(kept) == {-1, 1}
        counts.append(np.sum(kept == 1))
    # 500 copies of 1500 rows, of which 1000 are drawn.
    assert np.mean(counts) == pytest.approx(1000 / 3, rel=0.01)
    assert smv.copied_shares([1.1, 0.35, 0.8], 2.0).tolist() == (
        pytest.approx([0, 1.0, 0.4])
    )


@given(
    st.lists(st.booleans(), min_size=7, max_size=7), st.permutations([0, 1, 2])
)
def test_values_sum_to_the_whole_and_follow_the_modalities(right, order):
    right = np.array([right])
    members = smv.coalitions(3)
    values = smv.benefits(right, np.ones((1, 3), bool))
    phi = smv.shapley(values)
    assert phi.sum() == pytest.approx(values[0, -1])
    moved = [
        next(
            j
            for j, other in enumerate(members)
            if np.array_equal(other, members[s][order])
        )
        for s in range(7)
    ]
    other = np.zeros_like(values)
    other[0, moved] = values[0]
    np.testing.assert_allclose(smv.shapley(other), phi[:, order], atol=1e-12)


@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1),
    st.booleans(),
    st.integers(0, 99),
)
def test_an_epoch_is_a_part_of_the_pool(copies, shuffle, seed):
    copies = np.array(copies)
    rng = np.random.default_rng(seed)
    indices, kept = drawn(len(copies), copies, None, rng, shuffle)
    assert len(indices) == len(kept) == len(copies)
    for row in range(len(copies)):
        of_row = kept[indices == row]
        assert np.sum(of_row == -1) <= 1
        for m in range(2):
            assert np.sum(of_row == m) <= copies[row, m]
    if not shuffle:
        assert (np.diff(indices) >= 0).all()
        if not copies.any():
            assert indices.tolist() == list(range(len(copies)))


def test_a_modality_that_is_absent_is_worth_nothing():
    present = np.array([[True, False]])
    # Right with audio, and so with both; the empty set is right by chance.
    phi = smv.shapley(smv.benefits(np.ones((1, 3), bool), present))
    np.testing.assert_allclose(phi, [[1, 0]])
    alone = smv.shapley(smv.benefits(np.ones((1, 3), bool), ~present))
    np.testing.assert_allclose(alone, [[0, 1]])


# Training ---------------------------------------------------------------------


def valued(network, x, y, variant):
    """phi of two modalities, from the network's own predictions."""
    with torch.no_grad():
        z = network.features(x, training=False)
        zero = {k: torch.zeros_like(h) for k, h in z.items()}
        first, second = network.names
        given = [
            {first: z[first], second: zero[second]},
            {first: zero[first], second: z[second]},
            z,
        ]
        right = [
            (network.fuse(one).argmax(1).numpy() == y).astype(float)
            for one in given
        ]
    a, v, both = right
    both = both * (2 if variant == "paper" else 1)
    return np.stack([(a + both - v) / 2, (v + both - a) / 2], 1)


def pool(phi, level, rng):
    """What an epoch is drawn from: pairs of a row and what it keeps."""
    rows = [(i, "both") for i in range(len(phi))]
    if level == "sample":
        times = {1.5: 0, 1.0: 0, 0.5: 1, 0.0: 2, -0.5: 3}
        for m, name in enumerate(NAMES):
            for i, value in enumerate(phi[:, m]):
                rows += [(i, name)] * times[value]
        return rows
    means = phi.mean(0)
    for m, name in enumerate(NAMES):
        count = int(2 / 3 * max(means[1 - m] - means[m], 0) * len(phi) + 1e-9)
        rows += [(i, name) for i in rng.integers(0, len(phi), count)]
    return rows


@pytest.mark.parametrize(
    "level,variant",
    [("sample", "paper"), ("sample", "code"), ("modality", "paper")],
)
def test_training_is_that_of_the_equations(level, variant):
    model = make(level=level, variant=variant, part=1.0)
    network = plain_torch.Network(model)
    x, y = data()
    history = fit(model, x, y, epochs=4, shuffle=True)
    alone = []
    for epoch in range(4):
        rng = np.random.default_rng([1, 0, epoch])
        rows = [(i, "both") for i in range(ROWS)]
        if epoch:
            phi = valued(network, x, y, variant)
            if level == "modality":
                own = np.random.default_rng([1, 0, epoch, 0])
                phi = phi[own.integers(0, ROWS, ROWS)]
            rows = pool(phi, level, rng)
        found = 0.0 if not epoch else phi.mean(0)[1]
        assert history["text_contribution"][epoch] == pytest.approx(found)
        rows = [rows[i] for i in rng.permutation(len(rows))[:ROWS]]
        alone.append(sum(kept == "text" for _, kept in rows) / ROWS)
        for start in range(0, ROWS, BATCH):
            part = rows[start : start + BATCH]
            chosen = [i for i, _ in part]
            z = network.features({k: v[chosen] for k, v in x.items()})
            shown = {
                name: h
                * torch.tensor(
                    [[float(kept in ("both", name))] for _, kept in part]
                )
                for name, h in z.items()
            }
            loss = plain_torch.cross_entropy(network.fuse(shown), y[chosen])
            network.backward(loss)
            network.descend()
    network.assert_same()
    np.testing.assert_allclose(history["text_alone"], alone, atol=1e-6)
    masked = np.add(history["text_alone"], history["audio_alone"])
    assert masked[0] == 0 and max(masked) > 0.05


def test_stopped_and_loaded_goes_on(tmp_path):
    x, y = data()
    whole, half = make(), make()
    first = fit(whole, x, y, epochs=4, shuffle=True)
    fit(half, x, y, epochs=2, shuffle=True)
    half.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    loaded.run_eagerly = True
    rest = fit(loaded, x, y, epochs=4, initial_epoch=2, shuffle=True)
    assert (
        networks.difference(networks.weights(whole), networks.weights(loaded))
        == 0
    )
    assert first["text_alone"][2:] == rest["text_alone"]


def test_an_epoch_keeps_its_number_of_steps():
    steps = []
    count = keras.callbacks.LambdaCallback(
        on_epoch_begin=lambda epoch, logs: steps.append(0),
        on_train_batch_end=lambda batch, logs: steps.append(steps.pop() + 1),
    )
    fit(make(warmup_epochs=0), *data(), callbacks=[count])
    assert steps == [3, 3, 3]


def seen(model, *given, epochs=2, **arguments):
    """What `fit` read in its last epoch: inputs, labels and weights."""
    fit(model, *given, epochs=epochs, **arguments)
    stream = model.resampled
    parts = [stream[i] for i in range(len(stream))]
    joined = keras.tree.map_structure(lambda *p: np.concatenate(p), *parts)
    return (*joined, None)[:3]


def alone(x, modalities=NAMES):
    """Booleans by modality: which rows keep nothing else."""
    kept = np.stack([x[f"{name}_kept"] for name in modalities])
    return dict(zip(modalities, kept & (kept.sum(0) == 1), strict=True))


def test_rows_without_weight_or_modality_are_not_copied():
    x, y = data()
    x["audio_present"] = np.arange(ROWS) % 4 != 0
    weight = (np.arange(ROWS) % 3 != 0).astype("float32")
    model = make(warmup_epochs=0)
    found, _, weights = seen(model, x, y, sample_weight=weight, shuffle=True)
    masked = alone(found)
    assert masked["audio"].any() and masked["text"].any()
    assert (weights[masked["audio"] | masked["text"]] == 1).all()
    assert found["audio_present"][masked["audio"]].all()
    # Per modality rows are drawn unseen; an absent one leaves them whole.
    x["text_present"] = np.zeros(ROWS, bool)
    model = make(warmup_epochs=0, level="modality", alpha=9.0)
    found, _, _ = seen(model, x, y)
    assert not alone(found)["text"].any()


def test_values_count_the_modalities_that_a_row_has():
    """By hand, from the features and the fusion's weights, in NumPy."""
    model = make()
    x, y = data()
    present = {
        "audio": np.arange(ROWS) % 3 > 0,
        "text": np.arange(ROWS) % 4 > 1,
    }
    marked = {**x, **{f"{m}_present": own for m, own in present.items()}}
    outputs = model.forward_pass(x, training=False)
    (kernel, bias) = (networks.numpy(v) for v in model.fusion.variables)
    dim = len(kernel) // 2
    own = {
        name: networks.numpy(outputs.features[name])
        @ kernel[place * dim : (place + 1) * dim]
        for place, name in enumerate(NAMES)
    }

    def value(row, names):
        there = [name for name in names if present[name][row]]
        logits = bias + sum(own[name][row] for name in there)
        return len(there) * (logits.argmax() == y[row])

    wanted = []
    for row in range(ROWS):
        audio, text, both = (
            value(row, names) for names in (("audio",), ("text",), NAMES)
        )
        wanted.append([(audio + both - text) / 2, (text + both - audio) / 2])
    phi, there, _ = model.values((marked, y), FitData.of({"x": marked, "y": y}))
    np.testing.assert_allclose(phi, wanted, atol=1e-12)
    np.testing.assert_array_equal(there, np.stack(list(present.values()), 1))
    # Of the few rows that this network has right, some lack one.
    plain, _, _ = model.values((x, y), FitData.of({"x": x, "y": y}))
    assert np.sum(np.abs(phi - plain).max(1) > 0.4) >= 4


def test_copies_of_three_modalities_keep_one():
    names = ("visual", "text", "audio")
    x, y = data(modalities=names)
    model = make(modalities=names, warmup_epochs=0)
    found, _, _ = seen(model, x, y)
    kept = np.stack([found[f"{name}_kept"] for name in names]).sum(0)
    assert set(kept) == {1, 3}
    for one in alone(found, names).values():
        assert one.any()


def test_one_modality_is_joint_training():
    x, y = data(modalities=("audio",))
    found, _, _ = seen(make(modalities=("audio",), warmup_epochs=0), x, y)
    np.testing.assert_array_equal(found["audio"], x["audio"])


def test_validation_and_prediction_know_no_masks():
    x, y = data()
    model = make()
    history = fit(model, x, y, validation_data=(x, y))
    model.compile(metrics=["accuracy"], run_eagerly=True)
    accuracy = np.mean(model.predict(x, verbose=0).argmax(1) == y)
    assert history["val_accuracy"][-1] == pytest.approx(accuracy)
    assert "val_text_alone" not in history


# Data -------------------------------------------------------------------------


class Batches(keras.utils.PyDataset):
    def __init__(self, x, y, endless=False):
        super().__init__(workers=1)
        self.arrays, self.endless = (x, y), endless

    @property
    def num_batches(self):
        return None if self.endless else -(-ROWS // BATCH)

    def __getitem__(self, index):
        rows = slice(index * BATCH, (index + 1) * BATCH)
        return keras.tree.map_structure(lambda a: a[rows], self.arrays)


class Samples(torch.utils.data.Dataset):
    def __init__(self, x, y):
        self.x, self.y = x, y

    def __len__(self):
        return len(self.y)

    def __getitem__(self, index):
        return {k: v[index] for k, v in self.x.items()}, self.y[index]


class Stream(torch.utils.data.IterableDataset):
    def __iter__(self):
        return iter(())


class Prepared:
    def __init__(self, x, y):
        self.arrays, self.labels = x, y


def grain_data(x, y):
    grain = pytest.importorskip("grain", reason="needs grain")
    samples = Samples(x, y)
    rows = [samples[i] for i in range(len(y))]
    return grain.MapDataset.source(rows).batch(BATCH)


def trained(given, **arguments):
    model = make()
    history = fit(model, *given, **arguments)
    return networks.weights(model), history


def loader(dataset, **arguments):
    return torch.utils.data.DataLoader(dataset, **arguments)


def prepared(x, y):
    return BatchDataset(Prepared(x, y), np.arange(len(y)), BATCH)


BY_ROWS = {
    "torch Dataset": Samples,
    "DataLoader": lambda x, y: loader(Samples(x, y), batch_size=BATCH),
    "BatchDataset": prepared,
}


@pytest.mark.parametrize("form", BY_ROWS)
def test_data_that_are_read_by_rows_train_like_arrays(form):
    x, y = data()
    expected, first = trained((x, y))
    found, history = trained((BY_ROWS[form](x, y),))
    assert networks.difference(expected, found) < 1e-6
    assert first["audio_alone"] == history["audio_alone"]
    assert max(first["audio_alone"]) > 0


@pytest.mark.parametrize("level", ["sample", "modality"])
def test_data_that_are_read_by_batches_train_alike(level):
    x, y = data()
    results = []
    for make_data in (Batches, grain_data):
        model = make(level=level, part=1.0)
        history = fit(model, make_data(x, y))
        assert max(history["text_alone"]) > 0
        results.append(networks.weights(model))
    assert networks.difference(*results) < 1e-6


def test_a_batch_is_drawn_from_its_own_rows():
    x, y = data()
    x["audio"][:, 0] = np.arange(ROWS)
    found, labels, _ = seen(make(warmup_epochs=0), Batches(x, y))
    rows = found["audio"][:, 0].astype(int)
    assert (rows // BATCH == np.arange(ROWS) // BATCH).all()
    np.testing.assert_array_equal(labels, y[rows])
    assert len(set(rows)) < ROWS
    found, _, _ = seen(make(warmup_epochs=0), Batches(x, y), shuffle=True)
    starts = found["audio"][:, 0].astype(int) // BATCH
    assert len(set(starts[:8])) == 1 and starts.tolist() != sorted(starts)


def test_class_weights_are_those_of_keras():
    x, y = data()
    weights = {0: 1.0, 1: 0.0, 2: 2.0}
    by_class, _ = trained((x, y), class_weight=weights)
    row = np.array([weights[int(c)] for c in y], "float32")
    by_row, _ = trained((x, y), sample_weight=row)
    assert networks.difference(by_class, by_row) < 1e-6


def test_a_loader_shuffles_if_it_did():
    x, y = data()
    shuffling = loader(Samples(x, y), batch_size=BATCH, shuffle=True)
    found, labels, _ = seen(make(warmup_epochs=9), shuffling)
    assert not np.array_equal(labels, y)
    np.testing.assert_array_equal(np.sort(labels), np.sort(y))
    # The rest of a batch may be dropped, as the loader says.
    model = make()
    dropping = loader(Samples(x, y), batch_size=BATCH, drop_last=True)
    fit(model, dropping)
    assert len(model.resampled) == 2


def test_a_model_is_built_from_what_fit_reads():
    x, y = data()
    encoders = {name: networks.encoder(name) for name in NAMES}
    model = smv.SampleValuation(encoders, 3, warmup_epochs=0)
    model.compile(run_eagerly=True)
    history = fit(model, Samples(x, y))
    assert np.isfinite(history["loss"]).all()


def generator(x, y):
    yield x, y


def stream(x, y):
    return pytest.importorskip("grain", reason="needs grain") and (
        grain_data(x, y).to_iter_dataset()
    )


def endless(x, y):
    return grain_data(x, y).repeat()


def tensorflow_data(x, y):
    tf = pytest.importorskip("tensorflow", reason="needs tf.data")
    return tf.data.Dataset.from_tensor_slices((x, y)).batch(BATCH)


def weighted(x, y):
    sampler = torch.utils.data.WeightedRandomSampler([1.0] * len(y), len(y))
    return loader(Samples(x, y), batch_size=BATCH, sampler=sampler)


@pytest.mark.parametrize(
    "form, message",
    [
        (generator, "Received: a generator. tf.data, generators"),
        (tensorflow_data, "Received: a _BatchDataset. "),
        (stream, "IterDataset. tf.data"),
        (endless, "repeats without end"),
        (lambda x, y: Batches(x, y, endless=True), "one without a length"),
        (lambda x, y: loader(Stream()), "over a Stream"),
        (weighted, "with a WeightedRandomSampler"),
    ],
)
def test_data_that_cannot_be_indexed_are_refused(form, message):
    with pytest.raises(TypeError, match="any row at any time.*" + message):
        make().fit(form(*data()), verbose=0)


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"level": "batch"}, "level must be one of"),
        ({"warmup_epochs": -1}, "warmup_epochs must be an integer"),
        ({"alpha": -1.0}, "alpha must be a finite number"),
        ({"part": 0.0}, "part must be a finite number"),
        ({"variant": "both"}, "variant must be one of"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        make(**arguments)
