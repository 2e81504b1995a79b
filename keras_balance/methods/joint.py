"""Plain joint training: the reference that methods are compared with."""

import keras

from keras_balance.models.balanced import BalancedModel


@keras.saving.register_keras_serializable("keras_balance")
class JointTraining(BalancedModel):
    """One cross-entropy on the fused logits moves everything.

    L = CE(f, y), one forward and one backward pass a step. `history` shows the
    accuracy of each modality's logits, its score and its encoder's gradient
    norm, where the fusion splits or the model has heads.

    Args:
        encoders: see `keras_balance.MultimodalModel`.
        num_classes: see `keras_balance.MultimodalModel`.
        **kwargs: further arguments of `keras_balance.MultimodalModel`.
    """
