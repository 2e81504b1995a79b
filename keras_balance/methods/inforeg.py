"""InfoReg: slows the informed modality down while most is being learned.

Huang, Wei, Yang, Hu, "Adaptive Unimodal Regulation for Balanced Multimodal
Information Acquisition", CVPR 2025, arXiv 2503.18595.

    L   = CE(f, y) + sum_m CE(u^m, y)
    s^m = mean_i softmax(u^m_i)[y_i],   d^m = s^m - mean of the others' s
    b^m = beta exp(tanh(d^m)) if d^m > 0 in the window, else 0
    g^m <- g^m + b^m (theta_m - theta_m at the start of the epoch)

    F^m = sum over batches and kernels of the mean entry of (dL/dW)^2
    k^m = (S - S') / S,   window: k^m > 0.05

f `(batch, classes)` are the fused logits, u^m those of modality m by the
fusion's exact split, theta_m its encoder and g^m the encoder's gradient. F^m,
the trace of the Fisher information but for constants, is summed over an epoch;
S is the sum of F^m over the last 10 epochs over 10, and S' that over the 10
before, so that k is 1 in the first ten epochs. Before the first epoch k is 1.
While F^m grows the modality acquires information fast, and the one that is
ahead is pulled back to where it was. At an epoch's first batch it is there.

Where the released code differs (`variant="code"`): s^m is the sum over the
batch, so that tanh is 1 or -1 as a rule; beta is 0.95 for audio and 0.1 for
visual, here for the first modality and the others; the window of audio, the
first, is that of all; F^m is of gradients with the pull. At equal scores it
pulls visual with b = beta, and here none. The rule for more than two modalities
is our extension. That each modality has a window of its own is our reading of
the paper, and so are means in the scores and one beta.

Values: beta 0.95 and 0.1, SGD 2e-3, momentum 0.9, decay 1e-4, a tenth of the
rate after 30 epochs, batches of 64, 50 epochs (CREMA-D).
"""

import keras
import numpy as np
from keras import ops

from keras_balance.arguments import check_count
from keras_balance.arguments import check_number
from keras_balance.arguments import check_variant
from keras_balance.mechanisms.snapshot import Snapshot
from keras_balance.models import scores
from keras_balance.models.balanced import BalancedModel
from keras_balance.models.balanced import Update

# beta of the first modality, and of the others in the code's variant.
BETA, OTHERS = 0.95, 0.1


def pull_coefficients(totals, betas):
    """b^m, how strongly each modality is pulled back.

    Args:
        totals: float32 `(M,)`, s, at least two.
        betas: float32 `(M,)`, beta.

    Returns:
        float32 `(M,)`, 0 for modalities that are not ahead of the others.
    """
    ahead = totals - scores.mean_of_others(totals)
    pull = betas * ops.exp(ops.tanh(ahead))
    return ops.where(ahead > 0, pull, ops.zeros_like(pull))


def growth(traces, epochs):
    """k of each modality.

    Args:
        traces: NumPy `(M, 2 n)`, F of the last epochs, the last of them last;
            0 for epochs that there were not.
        epochs: integer, how many there were.

    Returns:
        NumPy `(M,)`; 1 before the first epoch, and 0 where nothing is learned.
    """
    if not epochs:
        return np.ones(len(traces))
    before, last = np.split(np.asarray(traces, "float64"), 2, axis=1)
    before, last = before.sum(1), last.sum(1)
    return np.where(last > 0, (last - before) / np.where(last > 0, last, 1), 0)


def kernel_trace(gradients):
    """The sum of the mean square entries, a float32 scalar.

    Args:
        gradients: list of tensors, those of kernels.
    """
    squares = [ops.square(ops.cast(g, "float32")) for g in gradients]
    return sum([ops.mean(each) for each in squares], ops.zeros(()))


@keras.saving.register_keras_serializable("keras_balance")
class InfoReg(BalancedModel):
    """Pulls the modality that is ahead back to its weights, early on.

    One forward and one backward pass a step: of the gradients only the sum is
    needed. Memory: a copy of the encoders. `<modality>_coefficient` is b^m and
    `<modality>_fisher` what a batch adds to F^m, in the mean.

    Args:
        encoders: see `keras_balance.MultimodalModel`.
        num_classes: see `keras_balance.MultimodalModel`.
        beta: float, dict from each modality to one, or None for the
            variant's own: 0.95, and 0.1 for all but the first in the code's.
        threshold: float, what k must exceed in the window.
        span: integer, the epochs of which k compares the information.
        variant: "paper", or "code" for what the authors' code does.
        **kwargs: further arguments of `keras_balance.MultimodalModel`; with
            `heads=True` u^m are those of dedicated heads.

    Raises:
        ValueError: for values other than these.
    """

    needs_unimodal_logits = True
    trains_heads = True
    tracked = ("coefficient", "fisher")

    def __init__(
        self,
        encoders,
        num_classes,
        beta=None,
        threshold=0.05,
        span=10,
        variant="paper",
        **kwargs,
    ):
        check_number("threshold", threshold, least=-1e6)
        check_count("span", span)
        check_variant(variant)
        super().__init__(encoders, num_classes, **kwargs)
        self.beta = dict(beta) if isinstance(beta, dict) else beta
        self.threshold = threshold
        self.span = span
        self.variant = variant
        self.betas = self._betas()
        count = len(self.modalities)
        # F of this epoch and of those before, and how many there were.
        self.fisher = self.add_state("fisher", (count,))
        self.traces = self.add_state("traces", (count, 2 * span))
        self.epochs = self.add_state("epochs", dtype="int32")
        # 1 in the window. Until an epoch begins there is nothing to go back to.
        self.window = self.add_state("window", (count,))

    def _betas(self):
        """beta by modality, as a list."""
        given = self.beta
        if given is None:
            others = OTHERS if self.variant == "code" else BETA
            return [BETA, *[others] * (len(self.modalities) - 1)]
        if not isinstance(given, dict):
            check_number("beta", given)
            return [given] * len(self.modalities)
        if set(given) != set(self.modalities):
            raise ValueError(
                "beta must be a float, or a dict with one for each of "
                f"{list(self.modalities)}. Received: beta={given!r}"
            )
        for name in self.modalities:
            check_number(f"beta[{name!r}]", given[name])
        return [given[name] for name in self.modalities]

    def build(self, input_shape):
        super().build(input_shape)
        own = [
            v
            for encoder in self.encoders.values()
            for v in encoder.trainable_variables
        ]
        self.start = Snapshot(self, own, "start")

    # Between epochs -----------------------------------------------------------

    def on_epoch_begin(self, epoch, data):
        self.start.take()
        count = len(self.modalities)
        self.fisher.assign(np.zeros(count, "float32"))
        traces = ops.convert_to_numpy(self.traces)
        k = growth(traces, int(ops.convert_to_numpy(self.epochs)))
        window = (k > self.threshold).astype("float32")
        if self.variant == "code":
            window[:] = window[0]
        self.window.assign(window)

    def on_epoch_end(self, epoch, data, logs):
        traces = np.array(ops.convert_to_numpy(self.traces))
        traces[:, :-1] = traces[:, 1:]
        traces[:, -1] = ops.convert_to_numpy(self.fisher)
        self.traces.assign(traces)
        self.epochs.assign(int(ops.convert_to_numpy(self.epochs)) + 1)

    # The step -----------------------------------------------------------------

    def training_loss(self, outputs, batch):
        loss = super().training_loss(outputs, batch)
        for name in self.modalities:
            loss = loss + self.unimodal_loss(name, outputs, batch)
        return loss

    def modulate(self, gradients, outputs, batch):
        variables = self.moving_variables()
        coefficients = self.coefficients(outputs, batch)
        owner = {
            id(v): i
            for i, name in enumerate(self.modalities)
            for v in self.encoders[name].trainable_variables
        }
        start = {
            id(v): copy
            for v, copy in zip(
                self.start.variables, self.start.copies, strict=True
            )
        }
        pulled = []
        for g, v in zip(gradients, variables, strict=True):
            if id(v) in start:
                way = ops.convert_to_tensor(v) - ops.convert_to_tensor(
                    start[id(v)]
                )
                pull = coefficients[owner[id(v)]]
                g = g + ops.cast(pull, g.dtype) * ops.cast(way, g.dtype)
            pulled.append(g)
        measured = pulled if self.variant == "code" else gradients
        self.measure(measured, variables, owner)
        return Update(pulled)

    def coefficients(self, outputs, batch):
        """b^m of this step, float32 `(M,)`."""
        totals, weight = self.scores(outputs, batch)
        found = ops.zeros_like(totals)
        if len(self.modalities) > 1:
            if self.variant == "paper":
                totals = totals / ops.maximum(weight, 1e-8)
            betas = ops.convert_to_tensor(self.betas, "float32")
            pull = pull_coefficients(totals, betas)
            pull = pull * ops.convert_to_tensor(self.window)
            # Half precision may overflow, and then skips the step.
            usable = ops.logical_and(weight > 0, ops.isfinite(pull))
            found = ops.where(usable, pull, found)
        for i, name in enumerate(self.modalities):
            self.track(f"{name}_coefficient", found[i])
        return found

    def measure(self, gradients, variables, owner):
        """Adds this batch to F^m."""
        kernels = [[] for _ in self.modalities]
        for g, v in zip(gradients, variables, strict=True):
            if id(v) in owner and len(v.shape) > 1:
                kernels[owner[id(v)]].append(g)
        found = ops.stack([kernel_trace(each) for each in kernels])
        found = ops.where(ops.isfinite(found), found, ops.zeros_like(found))
        self.fisher.assign(ops.convert_to_tensor(self.fisher) + found)
        for i, name in enumerate(self.modalities):
            self.track(f"{name}_fisher", found[i])

    def get_config(self):
        return {
            **super().get_config(),
            "beta": self.beta,
            "threshold": self.threshold,
            "span": self.span,
            "variant": self.variant,
        }
