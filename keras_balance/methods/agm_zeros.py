"""AGM: what encoders make of zeros, and those that are not defined there."""

import keras
from keras import ops

from keras_balance.models import absent
from keras_balance.models.balanced import BalancedModel
from keras_balance.models.structures import first_row


class EncodersAtZero(BalancedModel):
    """A balanced model that runs its encoders on zeros, with gradient."""

    def build(self, input_shape):
        super().build(input_shape)
        # Whether an encoder turned out to have no gradient at zero.
        self.undefined = self.add_state(
            "undefined_at_zero", (len(self.modalities),)
        )

    def masked_features(self, name, inputs, features, present):
        """Features of zeros, `(batch, dim)`, zero in absent rows as always."""
        zeros = ops.zeros_like(features)
        masked = zeros + self.features_of_zeros(name, inputs)
        if present is None:
            return masked
        return ops.where(present[:, None] > 0, masked, zeros)

    def features_of_zeros(self, name, inputs):
        """What an encoder makes of zeros, `(1, dim)`, the same for every row.

        Without dropout, by BatchNormalization's averages. Zeros, too, where
        the encoder is not defined at zero, or has no gradient there.
        """
        row = first_row(inputs[name])
        x = self.preprocess(name, {name: row}, training=False)
        index = self.modalities.index(name)
        off = ops.convert_to_tensor(self.undefined)[index] > 0
        # Not zeros then: a gradient of 0 times infinity is NaN.
        given = keras.tree.map_structure(
            lambda a: ops.where(off, absent.pattern(a), ops.zeros_like(a)), x
        )
        features = self.encoders[name](given, training=False)
        nothing = ops.zeros_like(features)
        return ops.where(off, nothing, absent.finite_or_zero(features))

    def without_undefined(self, gradients, usable):
        """Gradients without those of encoders that have none at zero.

        They are 0 in the step in which that shows; from the next one on the
        encoder is given no zeros.
        """
        found = dict(
            zip(map(id, self.moving_variables()), gradients, strict=True)
        )
        undefined = []
        for name in self.modalities:
            own = [
                id(v)
                for v in self.encoders[name].trainable_variables
                if id(v) in found
            ]
            finite = self.all_finite([found[key] for key in own])
            for key in own:
                g = found[key]
                found[key] = ops.where(finite, g, ops.zeros_like(g))
            undefined.append(ops.logical_and(usable, ops.logical_not(finite)))
        now = ops.cast(ops.stack(undefined), "float32")
        self.undefined.assign(ops.maximum(self.undefined, now))
        return list(found.values())
