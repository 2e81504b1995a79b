"""Transformer fusion: a class token attends to a token of each modality."""

import keras
from keras import layers
from keras import ops

from keras_balance.fusions.projected import Projected


@keras.saving.register_keras_serializable("keras_balance")
class Transformer(Projected):
    """X = [cls; z^1 P^1 + e^1; ...; z^M P^M + e^M], f = head(T(X)_0).

    The TF fusion of MLB (Kontras et al., BMVC 2024) on pooled features: one
    token per modality, projected to a common width, plus a learned vector e^m
    that tells modalities apart; T is a pre-norm transformer encoder, where
    MLB has Conformer blocks on the unpooled tokens.

    There is no split into unimodal logits. The projections P^m belong to their
    modality.

    Args:
        units: integer, the width of the tokens, or None for that of the
            widest features.
        num_layers: integer, the depth of T.
        num_heads: integer, the attention heads; it divides the width.
        dropout: float, the rate of dropout in T.
        **kwargs: arguments of `Fusion`.
    """

    def __init__(
        self, units=None, num_layers=2, num_heads=1, dropout=0.1, **kwargs
    ):
        super().__init__(units=units, **kwargs)
        self.num_layers = num_layers
        self.num_heads = num_heads
        self.dropout = dropout

    def build(self, shapes):
        units = self.build_projections(shapes, max(s[-1] for s in shapes))
        if units % self.num_heads:
            raise ValueError(
                "num_heads must divide the width of the tokens. Received: "
                f"num_heads={self.num_heads} for width {units}"
            )
        normal = keras.initializers.RandomNormal(stddev=1.0)
        self.tokens = self.add_weight(
            name="tokens", shape=(len(shapes) + 1, units), initializer=normal
        )
        self.blocks = [
            Block(units, self.num_heads, self.dropout, dtype=self.dtype_policy)
            for _ in range(self.num_layers)
        ]
        for block in self.blocks:
            block.build((None, len(shapes) + 1, units))
        self.norm = layers.LayerNormalization(dtype=self.dtype_policy)
        self.norm.build((None, units))
        self.head = self.dense(self.num_classes, name="head")
        self.head.build((None, units))

    def call(self, features, training=False):
        projected = self.project(features)
        # The class token is its learned vector alone.
        x = ops.stack([ops.zeros_like(projected[0]), *projected], axis=1)
        x = x + ops.cast(self.tokens, x.dtype)
        for block in self.blocks:
            x = block(x, training=training)
        return self.head(self.norm(x[:, 0]))

    def get_config(self):
        return {
            **super().get_config(),
            "num_layers": self.num_layers,
            "num_heads": self.num_heads,
            "dropout": self.dropout,
        }


class Block(layers.Layer):
    """x + attention(norm(x)), then x + MLP(norm(x)), four times as wide."""

    def __init__(self, units, num_heads, dropout, **kwargs):
        super().__init__(**kwargs)
        policy = self.dtype_policy
        self.attention = layers.MultiHeadAttention(
            num_heads, units // num_heads, dropout=dropout, dtype=policy
        )
        self.widen = layers.Dense(4 * units, activation="gelu", dtype=policy)
        self.narrow = layers.Dense(units, dtype=policy)
        self.norms = [layers.LayerNormalization(dtype=policy) for _ in range(2)]
        self.drop = layers.Dropout(dropout, dtype=policy)

    def build(self, shape):
        self.attention.build(shape, shape)
        self.widen.build(shape)
        self.narrow.build((*shape[:-1], 4 * shape[-1]))
        for norm in self.norms:
            norm.build(shape)

    def call(self, x, training=False):
        y = self.norms[0](x)
        y = self.attention(y, y, training=training)
        x = x + self.drop(y, training=training)
        y = self.narrow(self.widen(self.norms[1](x)))
        return x + self.drop(y, training=training)
