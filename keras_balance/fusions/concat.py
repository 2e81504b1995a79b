"""Concatenation and one linear map, also known as Late-Linear."""

import keras
from keras import ops

from keras_balance.fusions.fusion import Fusion


class LinearHead(Fusion):
    """Base of fusions that end in one linear map of a concatenation.

    f = [h^1; ...; h^M] W + b, with a part h^m for each modality. A subclass
    implements `parts(features)` and builds the map with `build_head(dims)`.
    """

    def parts(self, features):
        """h^m for each modality, a list of `(batch, dim_m)`."""
        raise NotImplementedError

    def build_head(self, dims):
        """Builds the map for parts of these widths."""
        self.dims = list(dims)
        self.head = self.dense(self.num_classes, name="head")
        self.head.build((None, sum(self.dims)))

    def call(self, features):
        return self.head(ops.concatenate(self.parts(features), axis=-1))

    def blocks(self):
        """W^m, the rows of W that meet part m: a list of `(dim_m, classes)`."""
        kernel = ops.convert_to_tensor(self.head.kernel)
        blocks, start = [], 0
        for dim in self.dims:
            blocks.append(kernel[start : start + dim])
            start += dim
        return blocks


@keras.saving.register_keras_serializable("keras_balance")
class Concat(LinearHead):
    """f = [z^1; ...; z^M] W + b.

    With W^m the rows of W that meet modality m, the logits split exactly:
    u^m = z^m W^m + b / M, and f = sum_m u^m.
    """

    splits = True

    def build(self, shapes):
        self.build_head(shape[-1] for shape in shapes)

    def parts(self, features):
        return features

    def split(self, features):
        bias = ops.convert_to_tensor(self.head.bias) / len(features)
        return [
            ops.matmul(ops.cast(z, block.dtype), block) + bias
            for z, block in zip(features, self.blocks(), strict=True)
        ]

    def block_factors(self, factors):
        if not self.trainable_variables:
            return {}
        kernel = 0  # Dense tracks its kernel before its bias.
        return {kernel: row_factors(factors, self.dims)}


def row_factors(factors, dims):
    """A factor for each row of a kernel that meets a concatenation.

    Args:
        factors: list of M scalars.
        dims: list of M integers, the widths of the parts.

    Returns:
        `(sum(dims), 1)`.
    """
    rows = [
        ops.broadcast_to(ops.reshape(k, (1, 1)), (dim, 1))
        for k, dim in zip(factors, dims, strict=True)
    ]
    return ops.concatenate(rows, axis=0)
