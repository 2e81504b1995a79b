"""The losses that a balanced model accepts: classification, on logits."""

import inspect

import keras

from keras_balance.labels import is_one_hot

_REGRESSION = (
    "MeanSquaredError",
    "MeanAbsoluteError",
    "MeanAbsolutePercentageError",
    "MeanSquaredLogarithmicError",
    "Huber",
    "LogCosh",
    "CosineSimilarity",
)
_PROBABILITIES = (
    "KLDivergence",
    "KlDivergence",
    "Poisson",
    "Dice",
    "Tversky",
    "CategoricalGeneralizedCrossEntropy",
)
_MULTI_LABEL = ("BinaryCrossentropy", "BinaryFocalCrossentropy")
_HINT = (
    "Use loss='auto', which is the cross-entropy of logits for integer and "
    "for one-hot labels, or another classification loss with from_logits=True."
)


def resolve(loss):
    """The loss object for what `compile` was given.

    Args:
        loss: "auto", a `keras.losses.Loss` on logits, or a callable
            `(y_true, y_pred) -> (batch,)` on logits.

    Returns:
        `keras.losses.Loss`.

    Raises:
        ValueError: for losses on probabilities, and for those of regression
            and multi-label problems.
    """
    if isinstance(loss, str) and loss == "auto":
        return CrossEntropy()
    received = f"Received: loss={loss!r}. {_HINT}"
    if isinstance(loss, str):
        _refuse_other_problems(keras.losses.get(loss), received)
        raise ValueError(
            "The model returns logits, and a loss given by name expects "
            f"probabilities. {received}"
        )
    if not callable(loss):
        raise ValueError(
            f"loss must be one loss for the fused logits. {received}"
        )
    _refuse_other_problems(loss, received)
    if _from_logits(loss) is False:
        raise ValueError(
            "The model returns logits; the loss must have from_logits=True. "
            f"{received}"
        )
    return loss if isinstance(loss, keras.losses.Loss) else FunctionLoss(loss)


def _from_logits(loss):
    """What a loss says of logits: an attribute, or a function's default."""
    if isinstance(loss, keras.losses.Loss):
        return getattr(loss, "from_logits", None)
    argument = inspect.signature(loss).parameters.get("from_logits")
    return None if argument is None else argument.default


def _refuse_other_problems(loss, received):
    # A function's name is that of its class, in small letters.
    words = getattr(loss, "__name__", type(loss).__name__).split("_")
    name = "".join(word[:1].upper() + word[1:] for word in words)
    if name in _PROBABILITIES:
        raise ValueError(
            "The model returns logits, and this loss expects probabilities. "
            f"{received}"
        )
    if name in _REGRESSION:
        raise ValueError(
            f"Regression is not supported, classification is. {received}"
        )
    if name in _MULTI_LABEL:
        raise ValueError(f"Multi-label problems are not supported. {received}")


@keras.saving.register_keras_serializable("keras_balance")
class CrossEntropy(keras.losses.Loss):
    """-log softmax(f)_y for class indices y, and its mean over one-hot rows.

    What `loss="auto"` is. Labels are `(batch,)`, or `(batch, classes)` rows of
    shares that sum to 1; logits are `(batch, classes)`.
    """

    def __init__(self, reduction="sum_over_batch_size", name="cross_entropy"):
        super().__init__(name=name, reduction=reduction)

    def call(self, y_true, y_pred):
        loss = keras.losses.sparse_categorical_crossentropy
        if is_one_hot(y_true.shape, y_pred.shape[-1]):
            loss = keras.losses.categorical_crossentropy
        return loss(y_true, y_pred, from_logits=True)


@keras.saving.register_keras_serializable("keras_balance")
class FunctionLoss(keras.losses.Loss):
    """A user's loss function, averaged over the batch."""

    def __init__(self, function):
        super().__init__(name=getattr(function, "__name__", "loss"))
        self.function = function

    def get_config(self):
        serialize = keras.saving.serialize_keras_object
        return {"function": serialize(self.function)}

    @classmethod
    def from_config(cls, config):
        return cls(keras.saving.deserialize_keras_object(config["function"]))

    def call(self, y_true, y_pred):
        return self.function(y_true, y_pred)
