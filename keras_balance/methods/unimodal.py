"""One modality by itself: what it could reach if nothing held it back."""

import keras

from keras_balance.models.balanced import BalancedModel
from keras_balance.models.checks import check_encoders


@keras.saving.register_keras_serializable("keras_balance")
class Unimodal(BalancedModel):
    """The encoder of one modality and a linear head.

    The inputs may hold the other modalities; they are not looked at.

    Args:
        encoders: dict of encoders, as for any method; only that of `modality`
            is used.
        num_classes: integer.
        modality: string, a name in `encoders`.
        preprocessing: dict of layers, as for any method.
        **kwargs: further arguments of `keras_balance.MultimodalModel`.

    Raises:
        ValueError: where `modality` is no name in `encoders`.
    """

    def __init__(
        self, encoders, num_classes, modality, preprocessing=None, **kwargs
    ):
        check_encoders(encoders)
        if modality not in encoders:
            raise ValueError(
                f"modality must be one of {list(encoders)}. Received: "
                f"modality={modality!r}"
            )
        preprocessing = preprocessing or {}
        super().__init__(
            {modality: encoders[modality]},
            num_classes,
            preprocessing={
                k: v for k, v in preprocessing.items() if k == modality
            },
            **kwargs,
        )
        self.modality = modality

    def get_config(self):
        return {**super().get_config(), "modality": self.modality}
