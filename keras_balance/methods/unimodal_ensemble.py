"""UME: unimodal models, each trained by itself, whose predictions are averaged.

Du, Teng, Li, Liu, Yuan, Wang, Yuan, Zhao, "On Uni-Modal Feature Learning in
Supervised Multi-Modal Learning", ICML 2023, arXiv 2305.01233. To be chosen
where unimodal features suffice; where pairs of modalities tell more than each,
see its other half, UMT (`keras_balance.methods.unimodal_teacher`).

    L = sum_m CE(u^m, y),   u^m = h^m W^m + b^m
    prediction: p_i = sum_m w_m softmax(u^m_i)            "probabilities"
                p_i = softmax(sum_m w_m u^m_i)            "logits"

h^m `(batch, dim)` are the features of modality m, u^m `(batch, classes)` its
logits. No parameter serves two modalities, so the sum of the losses trains
each model as it would be trained alone: one `fit` stands for M. What the model
returns are logits of p, log p itself or the mean of the u^m.

The weights w_m are equal unless they are given, and divided by their sum;
validation data may choose them, test data may not. A row that lacks a modality
is predicted from the others.

There are no hyper-parameters beside the weights. The paper and its code do not
differ here.
"""

import keras

from keras_balance.arguments import check_choice
from keras_balance.arguments import check_shares
from keras_balance.engine import replicas
from keras_balance.mechanisms.averages import AVERAGES
from keras_balance.mechanisms.averages import Averaging
from keras_balance.models.balanced import BalancedModel


@keras.saving.register_keras_serializable("keras_balance")
class UniModalEnsemble(Averaging, BalancedModel):
    """Trains the modalities side by side and averages their predictions.

    One forward and one backward pass a step, as joint training. Each modality
    has an optimizer of its own, so that not even clipping by the global norm
    connects them. `loss` is the sum of the modalities' losses in training, and
    the loss of the prediction in validation.

    Args:
        encoders: see `keras_balance.MultimodalModel`.
        num_classes: see `keras_balance.MultimodalModel`.
        average: "probabilities" or "logits", what is averaged.
        weights: dict from each modality to its weight, or None for equal
            ones.
        fusion: "sum", whose maps are the heads, or another fusion that gives
            each modality logits of its own parameters alone.
        **kwargs: further arguments of `keras_balance.MultimodalModel`.

    Raises:
        ValueError: for values other than these.
    """

    optimizer_per_modality = True

    def __init__(
        self,
        encoders,
        num_classes,
        average="probabilities",
        weights=None,
        fusion="sum",
        **kwargs,
    ):
        check_choice("average", average, AVERAGES)
        if kwargs.get("heads"):
            raise ValueError(
                "UniModalEnsemble trains the maps of fusion='sum', which are "
                "its heads. Received: heads=True"
            )
        super().__init__(encoders, num_classes, fusion=fusion, **kwargs)
        check_shares("weights", weights, self.modalities)
        if not self.fusion.separate:
            raise ValueError(
                "UniModalEnsemble needs a fusion in which no two modalities "
                "share a parameter, fusion='sum'. Received: "
                f"{type(self.fusion).__name__}"
            )
        self.average = average
        self.shares = None if weights is None else dict(weights)

    def training_loss(self, outputs, batch):
        losses = [
            self.unimodal_loss(name, outputs, batch) for name in self.modalities
        ]
        return sum(losses) + sum(self.losses) / replicas()

    def get_config(self):
        return {
            **super().get_config(),
            "average": self.average,
            "weights": None if self.shares is None else dict(self.shares),
        }
