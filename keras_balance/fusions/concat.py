"""Concatenation and one linear map, also known as Late-Linear."""

import keras
from keras import ops

from keras_balance.fusions.fusion import Fusion


@keras.saving.register_keras_serializable("keras_balance")
class Concat(Fusion):
    """f = [z^1; ...; z^M] W + b.

    With W^m the rows of W that meet modality m, the logits split exactly:
    u^m = z^m W^m + b / M, and f = sum_m u^m.
    """

    splits = True

    def build(self, shapes):
        self.dims = [shape[-1] for shape in shapes]
        self.head = self.dense(self.num_classes, name="head")
        self.head.build((None, sum(self.dims)))

    def call(self, features):
        return self.head(ops.concatenate(features, axis=-1))

    def split(self, features):
        kernel = ops.convert_to_tensor(self.head.kernel)
        bias = ops.convert_to_tensor(self.head.bias) / len(features)
        logits, start = [], 0
        for z, dim in zip(features, self.dims, strict=True):
            block = kernel[start : start + dim]
            logits.append(ops.matmul(ops.cast(z, block.dtype), block) + bias)
            start += dim
        return logits

    def block_factors(self, factors):
        rows = [
            ops.broadcast_to(ops.reshape(k, (1, 1)), (dim, 1))
            for k, dim in zip(factors, self.dims, strict=True)
        ]
        kernel = 0  # Dense tracks its kernel before its bias.
        return {kernel: ops.concatenate(rows, axis=0)}
