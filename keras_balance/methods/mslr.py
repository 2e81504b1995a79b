"""MSLR: modality-specific learning rates.

Yao, Mihalcea, "Modality-specific Learning Rates for Effective Multimodal
Additive Late-fusion", Findings of ACL 2022.

    theta_m <- theta_m - eta c_m r_m dL/dtheta_m,   L = CE(f, y)

theta_m are the parameters of modality m's encoder and of its part of the
classifier, c_m the modality's own rate relative to the common one, eta, and

    keep      r_m = 1
    dynamic   r_m(t) = a_m(t) / mean(a_m(t - n), ..., a_m(t - 1))

a_m(t) is the validation accuracy of the unimodal logits u^m `(rows, classes)`
after epoch t; r_m is 1 until n accuracies have been seen, and is of each epoch
afresh. With `cumulative`, as in one re-implementation, r_m is multiplied by
a_m(t) / mean(a_m(t - n + 1), ..., a_m(t)) after every n-th epoch instead.

The paper's third strategy, "smooth", draws the rates towards a common value;
its formula is in none of the sources that this was written from, and a guess
under the paper's name would be worse than its absence.

There is no code by the authors. The re-implementations that published tables
ran (those of AGM and MLB) differ from a learning rate (`variant="code"`): they
multiply the gradient before the optimizer, which Adam cancels, and leave the
weights of a shared fusion alone. `apply_to` follows the variant unless given.

Values of c there: audio 0.9 and visual 1.1 (CREMA-D), with memory 20 0.7 and
1.3; 1.3 and 0.7 (AV-MNIST); audio 0.9, visual 1.4, text 0.7 (UR-Funny). Memory
5, 10 (AVE) or 20. Some read the accuracy from the test split; here it is that
of the validation data.
"""

import keras
import numpy as np
from keras import ops

from keras_balance.arguments import check_choice
from keras_balance.arguments import check_count
from keras_balance.arguments import check_number
from keras_balance.arguments import check_variant
from keras_balance.mechanisms.modulated import ModulatedModel

STRATEGIES = ("dynamic", "keep")


def progress(accuracy, recent):
    """r, an accuracy over the mean of recent ones; 1 where that mean is 0.

    Args:
        accuracy: float.
        recent: sequence of floats.
    """
    mean = float(np.mean(recent))
    return float(accuracy) / mean if mean > 0 else 1.0


@keras.saving.register_keras_serializable("keras_balance")
class MSLR(ModulatedModel):
    """A learning rate for each modality, from its validation accuracy.

    One forward and one backward pass a step. `fit` needs validation data for
    the strategy "dynamic"; an epoch that is not validated changes nothing.
    `<modality>_coefficient` is c_m r_m.

    Args:
        encoders: see `keras_balance.MultimodalModel`.
        num_classes: see `keras_balance.MultimodalModel`.
        rates: dict by modality, c_m, 1 for those it does not name, or None.
        strategy: "dynamic" or "keep".
        memory: integer, n, over how many epochs accuracies are averaged.
        cumulative: boolean, whether ratios are multiplied up.
        variant: "paper", or "code" for what re-implementations do.
        apply_to: "gradient", "update", or None for "update" in the paper's
            variant and "gradient" in the code's; see `ModulatedModel`.
        **kwargs: further arguments of `keras_balance.MultimodalModel`.

    Raises:
        ValueError: for values other than these, for a fusion without unimodal
            logits, and in `fit` without validation data.
    """

    def __init__(
        self,
        encoders,
        num_classes,
        rates=None,
        strategy="dynamic",
        memory=5,
        cumulative=False,
        variant="paper",
        apply_to=None,
        **kwargs,
    ):
        check_choice("strategy", strategy, STRATEGIES)
        check_count("memory", memory)
        check_variant(variant)
        if apply_to is None:
            apply_to = "update" if variant == "paper" else "gradient"
        super().__init__(encoders, num_classes, apply_to=apply_to, **kwargs)
        _check_rates(rates, self.modalities)
        self.rates = None if rates is None else dict(rates)
        self.strategy = strategy
        self.memory = memory
        self.cumulative = bool(cumulative)
        self.variant = variant
        self.needs_validation = strategy == "dynamic"

    def build(self, input_shape):
        super().build(input_shape)
        count = len(self.modalities)
        # r_m of this epoch, and the last accuracies, the oldest first.
        self.ratios = self.add_state("ratios", (count,), "ones")
        self.accuracies = self.add_state("accuracies", (count, self.memory))
        self.seen = self.add_state("seen", (), dtype="int32")

    def on_epoch_end(self, epoch, data, logs):
        keys = [f"val_{name}_accuracy" for name in self.modalities]
        if self.strategy == "keep" or not all(k in (logs or {}) for k in keys):
            return
        new = np.array([float(logs[key]) for key in keys], "float32")
        recent = np.array(ops.convert_to_numpy(self.accuracies))
        ratios = np.array(ops.convert_to_numpy(self.ratios))
        seen = int(ops.convert_to_numpy(self.seen))
        after = np.concatenate([recent[:, 1:], new[:, None]], axis=1)
        if self.cumulative:
            if (seen + 1) % self.memory == 0:
                ratios *= [
                    progress(*pair) for pair in zip(new, after, strict=True)
                ]
        elif seen >= self.memory:
            ratios = [progress(*pair) for pair in zip(new, recent, strict=True)]
        self.ratios.assign(np.array(ratios, "float32"))
        self.accuracies.assign(after)
        self.seen.assign(seen + 1)

    def step_coefficients(self, outputs, batch):
        self.scores(outputs, batch)
        ratios = ops.convert_to_tensor(self.ratios)
        if len(self.modalities) < 2:
            return ops.ones_like(ratios)
        given = self.rates or {}
        rates = [float(given.get(name, 1.0)) for name in self.modalities]
        return ops.convert_to_tensor(rates, dtype="float32") * ratios

    def factors(self, coefficients, variables):
        index = {id(v): i for i, v in enumerate(self.trainable_variables)}
        own = {
            i: coefficients[m]
            for m, group in enumerate(self.variable_groups()[:-1])
            for i in group
        }
        if self.variant == "paper":
            fusion = self.fusion.trainable_variables
            each = [coefficients[m] for m in range(len(self.modalities))]
            for i, k in self.fusion.block_factors(each).items():
                own.setdefault(index[id(fusion[i])], k)
        return [own.get(index[id(v)]) for v in variables]

    def get_config(self):
        return {
            **super().get_config(),
            "rates": self.rates,
            "strategy": self.strategy,
            "memory": self.memory,
            "cumulative": self.cumulative,
            "variant": self.variant,
        }


def _check_rates(rates, modalities):
    unknown = sorted(set(rates or ()) - set(modalities))
    if unknown:
        raise ValueError(
            f"rates must name modalities of {list(modalities)}. Received: "
            f"rates for {unknown}"
        )
    for value in (rates or {}).values():
        check_number("rates", value)
