"""A model whose step is written by the test, and gradients in NumPy."""

import keras
import numpy as np
import pytest
from keras import layers

import keras_balance as kb
from keras_balance.models import batch as batches

CLASSES = 3
# Not in alphabetical order: JAX sorts dicts.
SHAPES = {"visual": 4, "audio": 5}
DIM = 2


class Probe(kb.models.BalancedModel):
    """Runs `step(model, batch)` and keeps what the step gives to `keep`.

    Args:
        step: callable `(model, batch) -> logs`.
        slots: names for which `keep` holds one tensor per trainable variable.
        numbers: dict of shapes of other tensors for `keep`.
        **kwargs: arguments of `BalancedModel`.
    """

    def __init__(self, step, slots=(), numbers=None, **kwargs):
        super().__init__(**kwargs)
        self.step, self.slots, self.numbers = step, slots, numbers or {}
        self.kept = {}

    def build(self, input_shape):
        super().build(input_shape)
        shapes = {slot: self.shapes() for slot in self.slots}
        shapes.update({name: [s] for name, s in self.numbers.items()})
        for name, each in shapes.items():
            self.kept[name] = [
                self.add_weight(
                    name=f"{name}_{i}",
                    shape=shape,
                    dtype="float32",
                    initializer="zeros",
                    trainable=False,
                    autocast=False,
                )
                for i, shape in enumerate(each)
            ]

    def shapes(self):
        return [tuple(v.shape) for v in self.trainable_variables]

    def balanced_step(self, data):
        return self.step(self, batches.unpack(data, self.num_classes))

    def keep(self, name, tensors):
        tensors = tensors if isinstance(tensors, list) else [tensors]
        for variable, tensor in zip(self.kept[name], tensors, strict=True):
            variable.assign(tensor)

    def read(self, name):
        """What the last step kept, as NumPy arrays."""
        arrays = [keras.ops.convert_to_numpy(v) for v in self.kept[name]]
        return arrays[0] if name in self.numbers else arrays


def linear_encoders(*more, regularizer=None):
    """Dict of encoders z = x W, each ending with layers that `more` makes."""
    return {
        name: keras.Sequential(
            [
                keras.Input((size,)),
                layers.Dense(
                    DIM, use_bias=False, kernel_regularizer=regularizer
                ),
                *(make() for make in more),
            ],
            name=name,
        )
        for name, size in SHAPES.items()
    }


class Problem:
    """The small linear problem of these tests."""

    encoders = staticmethod(linear_encoders)

    def __init__(self, rows=8):
        random = np.random.default_rng(0)
        self.x = {
            name: random.normal(size=(rows, size)).astype("float32")
            for name, size in SHAPES.items()
        }
        self.y = random.integers(0, CLASSES, rows).astype("int32")

    def model(self, step, encoders=None, optimizer=None, jit="auto", **kwargs):
        """A compiled `Probe`; its weights are NumPy's, by seed."""
        model = Probe(
            step=step,
            encoders=encoders or linear_encoders(),
            num_classes=CLASSES,
            **kwargs,
        )
        model.build({k: (None, *v.shape[1:]) for k, v in self.x.items()})
        random = np.random.default_rng(1)
        for v in model.trainable_variables:
            v.assign(random.normal(size=v.shape).astype("float32"))
        model.compile(
            optimizer=optimizer or keras.optimizers.SGD(0.1),
            metrics=["accuracy"],
            jit_compile=jit,
        )
        return model

    def plain_model(self, model, encoders):
        """Keras's own model of the same network, with `model`'s weights."""
        inputs = {name: e.inputs[0] for name, e in encoders.items()}
        features = [e.outputs[0] for e in encoders.values()]
        joined = layers.Concatenate()(features)
        plain = keras.Model(inputs, layers.Dense(CLASSES)(joined))
        for a, b in zip(plain.weights, model.trainable_variables, strict=True):
            # A copy: JAX donates the array that is assigned.
            a.assign(np.array(keras.ops.convert_to_numpy(b)))
        return plain

    def fit(self, model, epochs=1, batch_size=None, **kwargs):
        return model.fit(
            self.x,
            self.y,
            batch_size=batch_size or len(self.y),
            epochs=epochs,
            shuffle=False,
            verbose=0,
            **kwargs,
        ).history

    def cross_entropy(self, visual, audio, kernel, bias):
        """Mean cross-entropy and its gradients, for z = x W and concat."""
        x = self.x
        z = np.concatenate([x["visual"] @ visual, x["audio"] @ audio], 1)
        logits = z @ kernel + bias
        p = np.exp(logits - logits.max(1, keepdims=True))
        p /= p.sum(1, keepdims=True)
        one_hot = np.eye(CLASSES)[self.y]
        loss = -np.log((p * one_hot).sum(1)).mean()
        d = (p - one_hot) / len(self.y)
        dz = d @ kernel.T
        return loss, [
            x["visual"].T @ dz[:, :DIM],
            x["audio"].T @ dz[:, DIM:],
            z.T @ d,
            d.sum(0),
        ]


@pytest.fixture
def problem():
    return Problem()


@pytest.fixture
def plain_step():
    """The step of joint training, by the primitives alone."""

    def step(model, batch):
        variables = model.trainable_variables

        def loss_fn():
            outputs = model.forward_pass(batch.x, training=True)
            return model.training_loss(outputs, batch), outputs

        (loss,), outputs, (gradients,) = model.gradients(loss_fn, variables)
        model.apply_gradients(gradients, variables)
        return model.step_logs(loss, outputs, batch)

    return step


@pytest.fixture
def arrays():
    """Function: a list of variables or tensors as NumPy copies."""

    def convert(values):
        return [np.array(keras.ops.convert_to_numpy(v)) for v in values]

    return convert


@pytest.fixture
def half_precision():
    """mixed_float16 for the length of a test."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_float16")
    yield
    keras.config.set_dtype_policy(before)
