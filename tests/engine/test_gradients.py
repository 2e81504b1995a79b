"""`gradients`: several losses, one forward pass, true gradients."""

import keras
import numpy as np
import pytest
from keras import layers
from keras import ops


class Calls(layers.Layer):
    """Counts in a variable how often it has run, not been traced."""

    def build(self, shape):
        self.calls = self.add_weight(
            name="calls", shape=(), initializer="zeros", trainable=False
        )

    def call(self, x):
        self.calls.assign_add(1.0)
        return x


def calls(model):
    counters = [e.layers[-1].calls for e in model.encoders.values()]
    return [float(ops.convert_to_numpy(v)) for v in counters]


def three_losses(model, batch):
    """Cross-entropy, one loss of audio's features, one of visual's."""
    variables = model.trainable_variables

    def loss_fn():
        outputs = model.forward_pass(batch.x, training=True)
        loss = model.training_loss(outputs, batch)
        audio = ops.sum(ops.square(outputs.features["audio"]))
        visual = ops.sum(outputs.features["visual"])
        return [loss, audio, visual], outputs

    losses, outputs, gradients = model.gradients(loss_fn, variables)
    for slot, one_loss in zip(model.slots, gradients, strict=True):
        model.keep(slot, one_loss)
    model.keep("losses", ops.stack(losses))
    model.apply_gradients(gradients[0], variables)
    return model.step_logs(losses[0], outputs, batch)


SLOTS = ("fused", "audio", "visual")


def test_losses_share_a_pass_and_have_their_own_gradients(problem, arrays):
    model = problem.model(
        three_losses,
        encoders=problem.encoders(Calls),
        slots=SLOTS,
        numbers={"losses": (3,)},
    )
    visual, audio, kernel, bias = arrays(model.trainable_variables)
    problem.fit(model)
    loss, expected = problem.cross_entropy(visual, audio, kernel, bias)
    z = problem.x["audio"] @ audio
    ones = np.ones((len(problem.y), 2), "float32")
    np.testing.assert_allclose(
        model.read("losses"),
        [loss, np.sum(z**2), np.sum(problem.x["visual"] @ visual)],
        rtol=1e-5,
    )
    of_audio = [0 * visual, problem.x["audio"].T @ (2 * z)]
    of_visual = [problem.x["visual"].T @ ones, 0 * audio]
    for slot, gradients in (
        ("fused", expected),
        ("audio", [*of_audio, 0 * kernel, 0 * bias]),
        ("visual", [*of_visual, 0 * kernel, 0 * bias]),
    ):
        for a, b in zip(model.read(slot), gradients, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)
    # What a loss does not reach is exactly zero.
    assert not model.read("audio")[0].any()
    after = arrays(model.trainable_variables)
    before = [visual, audio, kernel, bias]
    for new, old, g in zip(after, before, expected, strict=True):
        np.testing.assert_allclose(new, old - 0.1 * g, rtol=1e-4, atol=1e-6)
    assert calls(model) == [1, 1]
    problem.fit(model, epochs=3)
    assert calls(model) == [4, 4]


def test_a_loss_that_reaches_nothing_has_zero_gradients(problem, arrays):
    def step(model, batch):
        def loss_fn():
            outputs = model.forward_pass(batch.x, training=True)
            loss = model.training_loss(outputs, batch)
            return [loss, ops.sum(batch.x["audio"])], outputs

        losses, outputs, gradients = model.gradients(
            loss_fn, model.trainable_variables
        )
        model.keep("constant", gradients[1])
        return model.step_logs(losses[0], outputs, batch)

    model = problem.model(step, slots=("constant",))
    model.kept["constant"][0].assign(np.ones((4, 2)))
    problem.fit(model)
    assert not any(g.any() for g in model.read("constant"))


def test_auxiliary_outputs_keep_their_order(problem):
    orders = []

    def step(model, batch):
        def loss_fn():
            outputs = model.forward_pass(batch.x, training=True)
            aux = {"z": outputs, "a": {"y": batch.labels, "b": 1.0}}
            return model.training_loss(outputs, batch), aux

        (loss,), aux, _ = model.gradients(loss_fn, model.trainable_variables)
        outputs = aux["z"]
        orders.append([list(aux), list(aux["a"]), list(outputs.features)])
        orders.append([[], [], list(outputs.unimodal)])
        assert type(outputs).__name__ == "Outputs"
        model.keep("first", outputs.unimodal["visual"][0])
        return model.step_logs(loss, outputs, batch)

    model = problem.model(step, numbers={"first": (3,)})
    x = {name: v[:1] for name, v in problem.x.items()}
    before = ops.convert_to_numpy(model.forward_pass(x).unimodal["visual"][0])
    problem.fit(model)
    for names, inner, modalities in orders:
        assert names in (["z", "a"], []) and inner in (["y", "b"], [])
        assert modalities == ["visual", "audio"] == list(model.modalities)
    np.testing.assert_allclose(model.read("first"), before, rtol=1e-5)


def test_lookups_have_dense_gradients(problem, plain_step, arrays):
    """TensorFlow gives slices for an embedding."""

    def lookup(size):
        return keras.Sequential(
            [
                keras.Input((size,), dtype="int32"),
                layers.Embedding(7, 2),
                layers.GlobalAveragePooling1D(),
            ]
        )

    tokens = np.arange(8 * 4).reshape(8, 4) % 6
    problem.x["visual"] = tokens.astype("int32")
    encoders = {**problem.encoders(), "visual": lookup(4)}
    model = problem.model(plain_step, encoders=encoders)
    before = arrays(model.trainable_variables)[0]
    problem.fit(model)
    after = arrays(model.trainable_variables)[0]
    assert np.abs(after[:6] - before[:6]).min() > 0
    np.testing.assert_array_equal(after[6], before[6])


class Penalty(layers.Layer):
    """Adds the mean square of what passes as a loss."""

    def call(self, x):
        self.add_loss(ops.mean(ops.square(x)))
        return x


@pytest.mark.parametrize("eager", [False, True], ids=["compiled", "eager"])
def test_layer_losses_count_once(problem, plain_step, arrays, eager):
    """As in a plain model of Keras: same losses, same weights."""
    regularizer = keras.regularizers.L2(0.1)
    model = problem.model(
        plain_step, problem.encoders(Penalty, regularizer=regularizer)
    )
    plain = problem.plain_model(
        model, problem.encoders(Penalty, regularizer=regularizer)
    )
    histories = []
    for one in (model, plain):
        one.compile(
            optimizer=keras.optimizers.SGD(0.1),
            loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            metrics=["accuracy"],
            run_eagerly=eager,
        )
        validation = (problem.x, problem.y)
        histories.append(
            problem.fit(one, epochs=3, batch_size=4, validation_data=validation)
        )
    for key in ("loss", "val_loss", "accuracy", "val_accuracy"):
        np.testing.assert_allclose(
            histories[0][key], histories[1][key], rtol=1e-5
        )
    for a, b in zip(
        arrays(model.trainable_variables), arrays(plain.weights), strict=True
    ):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


def test_what_was_assigned_is_a_constant(problem, arrays):
    """A second pass reads the averages that the first moved, as numbers."""

    def step(model, batch):
        variables = model.trainable_variables

        def loss_fn():
            model.forward_pass(batch.x, training=True)
            outputs = model.forward_pass(batch.x, training=False)
            return model.training_loss(outputs, batch), outputs

        (loss,), outputs, (gradients,) = model.gradients(loss_fn, variables)
        model.keep("gradients", gradients)
        return model.step_logs(loss, outputs, batch)

    def encoders():
        return problem.encoders(
            lambda: keras.layers.BatchNormalization(momentum=0.5)
        )

    model = problem.model(step, encoders(), slots=("gradients",))
    problem.fit(model)
    # The averages stand still at what the first pass made of them.
    still = problem.model(
        step_without_first_pass,
        encoders(),
        slots=("gradients",),
    )
    for v, w in zip(still.weights, model.weights, strict=True):
        if v.name.startswith("moving"):
            v.assign(np.array(keras.ops.convert_to_numpy(w)))
    problem.fit(still)
    for a, b in zip(
        model.read("gradients"), still.read("gradients"), strict=True
    ):
        np.testing.assert_allclose(a, b, atol=1e-6)


def step_without_first_pass(model, batch):
    def loss_fn():
        outputs = model.forward_pass(batch.x, training=False)
        return model.training_loss(outputs, batch), outputs

    (loss,), outputs, (gradients,) = model.gradients(
        loss_fn, model.trainable_variables
    )
    model.keep("gradients", gradients)
    return model.step_logs(loss, outputs, batch)
