"""Networks, gradients and SGD in plain NumPy and float64.

What the trained weights are compared with: written from the equations, with
backward passes by hand. Nothing of keras_balance is used here; weights are
read from a model once, at the start.
"""

import keras
import numpy as np
import reference_layers as layers

RATE = 0.1
MOMENTUM = 0.9


class Encoder:
    """The layers of a functional Keras model, one after the other."""

    def __init__(self, model):
        self.layers = [
            layers.LAYERS[type(layer)](layer)
            for layer in model.layers
            if not isinstance(layer, keras.layers.InputLayer)
        ]
        self.parameters = [p for la in self.layers for p in la.parameters]
        self.states = [
            state
            for layer in self.layers
            if isinstance(layer, layers.Normalization)
            for state in (layer.mean, layer.variance)
        ]

    def forward(self, x):
        for layer in self.layers:
            x = layer.forward(x)
        return x

    def backward(self, g):
        for layer in reversed(self.layers):
            g = layer.backward(g)


class Network:
    """The float64 twin of a built model."""

    def __init__(self, model):
        self.names = list(model.modalities)
        self.encoders = {n: Encoder(model.encoders[n]) for n in self.names}
        self.fusion = layers.FUSIONS[type(model.fusion).__name__](model.fusion)
        self.heads = {n: layers.Dense(head) for n, head in model.heads.items()}
        self.parameters = list(self.fusion.parameters)
        for part in (*self.encoders.values(), *self.heads.values()):
            self.parameters += part.parameters
        assert len(self.parameters) == len(model.trainable_variables)
        self.has_split = hasattr(self.fusion, "split")

    def encode(self, name, x):
        """Features, zero in the rows that are absent.

        Absent rows are given what the first present one holds; where there is
        none, the averages of BatchNormalization stay.
        """
        inputs, encoder = x[name].astype("float64"), self.encoders[name]
        mask = x.get(f"{name}_present")
        if mask is None:
            return encoder.forward(inputs)
        before = [state.value.copy() for state in encoder.states]
        inputs = np.where(
            mask.reshape(-1, *[1] * (inputs.ndim - 1)),
            inputs,
            inputs[mask.argmax()],
        )
        features = encoder.forward(inputs) * mask[:, None]
        if not mask.any():
            for state, value in zip(encoder.states, before, strict=True):
                state.value = value
        return features

    def forward(self, x):
        for parameter in self.parameters:
            parameter.gradient[...] = 0
        self.x = x
        features = [self.encode(n, x) for n in self.names]
        self.logits = self.fusion.forward(features)
        self.unimodal = {}
        if self.heads:
            self.unimodal = {
                n: self.heads[n].forward(z)
                for n, z in zip(self.names, features, strict=True)
            }
        elif self.has_split:
            split = self.fusion.split(features)
            self.unimodal = dict(zip(self.names, split, strict=True))

    def backward(self, fused, unimodal=None):
        """From the gradients for the fused and the heads' logits."""
        features = self.fusion.backward(fused)
        for name, g in zip(self.names, features, strict=True):
            if unimodal:
                g = g + self.heads[name].backward(unimodal[name])
            self.backward_encoder(name, g)

    def train_heads(self, y, weights):
        """Adds the heads' own gradients; none of them goes further.

        Args:
            y: labels.
            weights: dict by modality of row weights.
        """
        for name, head in self.heads.items():
            _, g = cross_entropy(self.unimodal[name], y, weights[name])
            head.backward(g)

    def backward_encoder(self, name, g):
        mask = self.x.get(f"{name}_present")
        self.encoders[name].backward(g if mask is None else g * mask[:, None])

    def gradient_norm(self, name):
        squares = [
            (p.gradient**2).sum() for p in self.encoders[name].parameters
        ]
        return np.sqrt(sum(squares))

    def differences(self):
        """Dict from a variable's path to how far the model is from here."""
        states = [s for e in self.encoders.values() for s in e.states]
        return {
            p.variable.path: float(
                np.abs(keras.ops.convert_to_numpy(p.variable) - p.value).max()
            )
            for p in (*self.parameters, *states)
        }


def softmax(logits):
    e = np.exp(logits - logits.max(1, keepdims=True))
    return e / e.sum(1, keepdims=True)


def cross_entropy(logits, y, weight):
    """sum_i w_i CE_i / B, and its gradient for the logits."""
    p = softmax(logits)
    rows = np.arange(len(y))
    loss = -(weight * np.log(p[rows, y])).sum() / len(y)
    p[rows, y] -= 1
    return loss, weight[:, None] * p / len(y)


def sgd(parameters, decay=0.0, rate=RATE, momentum=MOMENTUM):
    """w <- w + v with v <- momentum v - rate (g + decay w)."""
    for p in parameters:
        gradient = p.gradient + decay * p.value
        p.velocity = momentum * p.velocity - rate * gradient
        p.value = p.value + p.velocity
