"""The losses that a balanced model accepts: classification, on logits."""

import keras

_REGRESSION = (
    "MeanSquaredError",
    "MeanAbsoluteError",
    "MeanAbsolutePercentageError",
    "MeanSquaredLogarithmicError",
    "Huber",
    "LogCosh",
    "CosineSimilarity",
)
_MULTI_LABEL = ("BinaryCrossentropy", "BinaryFocalCrossentropy")
_HINT = (
    "Use loss='auto', which is "
    "keras.losses.SparseCategoricalCrossentropy(from_logits=True), or another "
    "classification loss with from_logits=True."
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
        return keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    received = f"Received: loss={loss!r}. {_HINT}"
    if isinstance(loss, str):
        resolved = keras.losses.get(loss)
        name = "".join(part.title() for part in _function_name(resolved))
        _refuse_other_problems(name, received)
        raise ValueError(
            "The model returns logits, and a loss given by name expects "
            f"probabilities. {received}"
        )
    if isinstance(loss, keras.losses.Loss):
        _refuse_other_problems(type(loss).__name__, received)
        if getattr(loss, "from_logits", True) is False:
            raise ValueError(
                "The model returns logits; the loss must have "
                f"from_logits=True. {received}"
            )
        return loss
    if callable(loss):
        return FunctionLoss(loss)
    raise ValueError(f"loss must be one loss for the fused logits. {received}")


def _function_name(function):
    return getattr(function, "__name__", "").split("_")


def _refuse_other_problems(name, received):
    if name in _REGRESSION:
        raise ValueError(
            f"Regression is not supported, classification is. {received}"
        )
    if name in _MULTI_LABEL:
        raise ValueError(f"Multi-label problems are not supported. {received}")


class FunctionLoss(keras.losses.Loss):
    """A user's loss function, averaged over the batch."""

    def __init__(self, function):
        super().__init__(name=getattr(function, "__name__", "loss"))
        self.function = function

    def call(self, y_true, y_pred):
        return self.function(y_true, y_pred)
