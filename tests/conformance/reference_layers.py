"""Layers and fusions in plain NumPy and float64, backward passes by hand."""

import keras
import numpy as np


class Parameter:
    """A weight beside the Keras variable that should reach its value."""

    def __init__(self, variable):
        self.variable = variable
        array = keras.ops.convert_to_numpy(variable)
        self.value = np.array(array, "float64")
        self.gradient = np.zeros_like(self.value)
        self.velocity = np.zeros_like(self.value)


class Dense:
    def __init__(self, layer):
        self.kernel = Parameter(layer.kernel)
        self.bias = Parameter(layer.bias) if layer.use_bias else None
        self.parameters = [p for p in (self.kernel, self.bias) if p]

    def forward(self, x):
        self.x = x
        y = x @ self.kernel.value
        return y if self.bias is None else y + self.bias.value

    def backward(self, g):
        self.kernel.gradient += self.x.T @ g
        if self.bias is not None:
            self.bias.gradient += g.sum(0)
        return g @ self.kernel.value.T


class Convolution:
    """2-D, stride 1, no padding, ReLU; it is the first layer."""

    def __init__(self, layer):
        self.kernel = Parameter(layer.kernel)
        self.bias = Parameter(layer.bias)
        self.parameters = [self.kernel, self.bias]

    def forward(self, x):
        size = self.kernel.value.shape[:2]
        self.patches = np.lib.stride_tricks.sliding_window_view(
            x, size, axis=(1, 2)
        )
        y = np.einsum("bhwcij,ijco->bhwo", self.patches, self.kernel.value)
        y += self.bias.value
        self.positive = y > 0
        return y * self.positive

    def backward(self, g):
        g = g * self.positive
        self.kernel.gradient += np.einsum("bhwcij,bhwo->ijco", self.patches, g)
        self.bias.gradient += g.sum((0, 1, 2))


class Pooling:
    """The mean over height and width."""

    parameters = ()

    def __init__(self, layer):
        pass

    def forward(self, x):
        self.shape = x.shape
        return x.mean((1, 2))

    def backward(self, g):
        _, height, width, _ = self.shape
        g = g[:, None, None, :] / (height * width)
        return np.broadcast_to(g, self.shape)


class Tanh:
    parameters = ()

    def __init__(self, layer):
        assert layer.activation is keras.activations.tanh

    def forward(self, x):
        self.y = np.tanh(x)
        return self.y

    def backward(self, g):
        return g * (1 - self.y**2)


class Normalization:
    """BatchNormalization in training."""

    def __init__(self, layer):
        self.gamma, self.beta = Parameter(layer.gamma), Parameter(layer.beta)
        self.mean = Parameter(layer.moving_mean)
        self.variance = Parameter(layer.moving_variance)
        self.layer = layer
        self.parameters = [self.gamma, self.beta]

    def forward(self, x):
        mean, variance = x.mean(0), x.var(0)
        keep = self.layer.momentum
        for state, new in ((self.mean, mean), (self.variance, variance)):
            state.value = keep * state.value + (1 - keep) * new
        self.root = np.sqrt(variance + self.layer.epsilon)
        self.x = (x - mean) / self.root
        return self.gamma.value * self.x + self.beta.value

    def backward(self, g):
        self.gamma.gradient += (g * self.x).sum(0)
        self.beta.gradient += g.sum(0)
        g = g * self.gamma.value
        return (g - g.mean(0) - self.x * (g * self.x).mean(0)) / self.root


LAYERS = {
    keras.layers.Dense: Dense,
    keras.layers.Conv2D: Convolution,
    keras.layers.GlobalAveragePooling2D: Pooling,
    keras.layers.Activation: Tanh,
    keras.layers.BatchNormalization: Normalization,
}


class Concat:
    def __init__(self, layer):
        self.head = Dense(layer.head)
        self.parameters = self.head.parameters

    def forward(self, features):
        self.ends = np.cumsum([z.shape[1] for z in features])
        return self.head.forward(np.concatenate(features, 1))

    def backward(self, g):
        return np.split(self.head.backward(g), self.ends[:-1], axis=1)

    def split(self, features):
        blocks = np.split(self.head.kernel.value, self.ends[:-1])
        bias = self.head.bias.value / len(features)
        return [z @ w + bias for z, w in zip(features, blocks, strict=True)]

    def block_factors(self, k):
        sizes = np.diff([0, *self.ends])
        return {id(self.head.kernel): np.repeat(k, sizes)[:, None]}


class Sum:
    def __init__(self, layer):
        self.heads = [Dense(head) for head in layer.heads]
        self.parameters = [p for head in self.heads for p in head.parameters]

    def forward(self, features):
        return np.sum(self.split(features), 0)

    def backward(self, g):
        return [head.backward(g) for head in self.heads]

    def split(self, features):
        return [
            head.forward(z)
            for head, z in zip(self.heads, features, strict=True)
        ]

    def block_factors(self, k):
        return {id(h.kernel): c for h, c in zip(self.heads, k, strict=True)}


class FiLM:
    def __init__(self, layer):
        self.condition, self.head = Dense(layer.condition), Dense(layer.head)
        self.parameters = self.condition.parameters + self.head.parameters

    def forward(self, features):
        self.ends = np.cumsum([z.shape[1] for z in features[:-1]])
        condition = self.condition.forward(np.concatenate(features[:-1], 1))
        half = condition.shape[1] // 2
        self.gamma, self.z = condition[:, :half], features[-1]
        return self.head.forward(self.gamma * self.z + condition[:, half:])

    def backward(self, g):
        g = self.head.backward(g)
        condition = np.concatenate([g * self.z, g], 1)
        others = self.condition.backward(condition)
        others = np.split(others, self.ends[:-1], axis=1)
        return [*others, g * self.gamma]

    def block_factors(self, k):
        return {}


class Gated:
    def __init__(self, layer):
        self.projections = [Dense(p) for p in layer.projections]
        self.head = Dense(layer.head)
        self.parameters = list(self.head.parameters)
        for projection in self.projections:
            self.parameters += projection.parameters

    def forward(self, features):
        o = [
            p.forward(z)
            for p, z in zip(self.projections, features, strict=True)
        ]
        self.gates = [1 / (1 + np.exp(-gate)) for gate in o[:-1]]
        self.last = o[-1]
        return self.head.forward(np.prod(self.gates, 0) * self.last)

    def backward(self, g):
        g = self.head.backward(g)
        product = np.prod(self.gates, 0)
        # d sigmoid = sigmoid (1 - sigmoid); the other gates are factors.
        along = [g * self.last * product * (1 - s) for s in self.gates]
        along.append(g * product)
        return [
            p.backward(h) for p, h in zip(self.projections, along, strict=True)
        ]

    def block_factors(self, k):
        return {
            id(parameter): factor
            for projection, factor in zip(self.projections, k, strict=True)
            for parameter in projection.parameters
        }


FUSIONS = {"Concat": Concat, "Sum": Sum, "FiLM": FiLM, "Gated": Gated}
