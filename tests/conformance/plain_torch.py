"""Networks and SGD in plain torch and float64, gradients by its autograd.

What trained weights are compared with where a method's equations are written
once more. Nothing of keras_balance is used here; weights are read from a
model once, at the start. `reference.py` is the same in NumPy, with backward
passes by hand, for the first methods.
"""

import keras
import numpy as np
import torch

RATE = 0.1
MOMENTUM = 0.9


def tensor(array):
    """A float64 torch tensor; integers and booleans keep their kind."""
    array = np.asarray(array)
    if array.dtype.kind == "f":
        return torch.tensor(array.astype("float64"))
    return torch.tensor(array.astype("int64"))


class Network:
    """The float64 twin of a built model.

    `parameters` is a list of `(variable, tensor)`; `self[variable]` is the
    tensor of a Keras variable, with its gradient after `backward`.
    """

    def __init__(self, model):
        self.model = model
        self.names = list(model.modalities)
        self.tensors = {}
        # Not the model's own variables: they are the method's state.
        layers = (*model.encoders.values(), *model.heads.values(), model.fusion)
        used = [v for layer in layers for v in layer.variables]
        for v in (*used, *model.trainable_variables):
            if "seed" in v.path or id(v) in self.tensors:
                continue
            value = tensor(keras.ops.convert_to_numpy(v))
            self.tensors[id(v)] = value.requires_grad_(v.trainable)
        self.parameters = [(v, self[v]) for v in model.trainable_variables]
        self.velocities = {}

    def __getitem__(self, variable):
        return self.tensors[id(variable)]

    def encode(self, name, x, training=True):
        """Features; BatchNormalization statistics move where training."""
        x = tensor(x) if isinstance(x, np.ndarray) else x
        for layer in self.model.encoders[name].layers:
            if not isinstance(layer, keras.layers.InputLayer):
                x = self.run(layer, x, training)
        return x

    def features(self, x, training=True):
        """Dict by modality, of a batch without absent rows."""
        return {n: self.encode(n, x[n], training) for n in self.names}

    def run(self, layer, x, training):
        kind = type(layer).__name__
        if kind == "Dense":
            return self.dense(layer, x)
        if kind == "Activation":
            return {"tanh": torch.tanh, "relu": torch.relu}[
                layer.activation.__name__
            ](x)
        if kind == "BatchNormalization":
            return self.normalize(layer, x, training)
        if kind == "Conv2D":
            y = torch.nn.functional.conv2d(
                x.permute(0, 3, 1, 2),
                self[layer.kernel].permute(3, 2, 0, 1),
                self[layer.bias],
            )
            return torch.relu(y).permute(0, 2, 3, 1)
        if kind == "GlobalAveragePooling2D":
            return x.mean((1, 2))
        raise NotImplementedError(kind)

    def dense(self, layer, x):
        y = x @ self[layer.kernel]
        return y + self[layer.bias] if layer.use_bias else y

    def normalize(self, layer, x, training):
        mean, variance = self[layer.moving_mean], self[layer.moving_variance]
        if training:
            old_mean, old_variance = mean, variance
            mean, variance = x.mean(0), x.var(0, unbiased=False)
            keep = layer.momentum
            with torch.no_grad():
                old_mean.mul_(keep).add_((1 - keep) * mean)
                old_variance.mul_(keep).add_((1 - keep) * variance)
        x = (x - mean) / torch.sqrt(variance + layer.epsilon)
        return self[layer.gamma] * x + self[layer.beta]

    def fuse(self, features):
        """Logits of the fusion "concat" or "sum"."""
        return sum(self.split(features).values())

    def split(self, features):
        """Unimodal logits of "concat", with b / M each, or of "sum"."""
        fusion, logits, start = self.model.fusion, {}, 0
        for i, (name, z) in enumerate(features.items()):
            if type(fusion).__name__ == "Sum":
                logits[name] = self.dense(fusion.heads[i], z)
                continue
            block = self[fusion.head.kernel][start : start + z.shape[1]]
            logits[name] = z @ block + self[fusion.head.bias] / len(features)
            start += z.shape[1]
        return logits

    def heads(self, features):
        """Logits of the dedicated heads."""
        return {
            name: self.dense(self.model.heads[name], z)
            for name, z in features.items()
        }

    def backward(self, loss):
        """Gradients of a scalar, afresh, in `.grad` of the tensors."""
        for _, value in self.parameters:
            value.grad = torch.zeros_like(value)
        loss.backward()

    def owned(self, name):
        """Ids of the variables of a modality's encoder."""
        encoder = self.model.encoders[name]
        return {id(v) for v in encoder.trainable_variables}

    @torch.no_grad()
    def descend(self, factors=None, still=()):
        """SGD with momentum: v <- m v - rate k g, w <- w + v.

        Args:
            factors: dict from a variable's id to k, 1 where it has none.
            still: ids of variables that do not move, by momentum neither.
        """
        for variable, value in self.parameters:
            if id(variable) in still:
                continue
            k = (factors or {}).get(id(variable), 1.0)
            old = self.velocities.get(id(variable), 0.0)
            new = MOMENTUM * old - RATE * k * value.grad
            self.velocities[id(variable)] = new
            value.add_(new)

    def differences(self):
        """Dict from a variable's path to how far the model is from here."""
        return {
            v.path: float(
                np.abs(
                    keras.ops.convert_to_numpy(v) - self[v].detach().numpy()
                ).max()
            )
            for v in self.model.variables
            if id(v) in self.tensors and self[v].numel()
        }

    def assert_same(self, tolerance=1e-5):
        """Fails where the model's weights are not those computed here."""
        differences = self.differences()
        worst = max(differences, key=differences.get)
        assert differences[worst] < tolerance, (worst, differences[worst])


def cross_entropy(logits, y, weight=None):
    """sum_i w_i CE_i / B, as Keras averages."""
    losses = torch.nn.functional.cross_entropy(
        logits, tensor(y), reduction="none"
    )
    if weight is not None:
        losses = losses * tensor(weight)
    return losses.mean()


def optimizer():
    """The Keras optimizer whose steps `descend` takes."""
    return keras.optimizers.SGD(RATE, momentum=MOMENTUM)


def batches(x, y, rows):
    """Consecutive batches of arrays, as `fit(shuffle=False)` takes them."""
    for start in range(0, len(y), rows):
        part = slice(start, start + rows)
        yield {k: v[part] for k, v in x.items()}, y[part]
