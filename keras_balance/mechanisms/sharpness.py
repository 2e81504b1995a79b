"""Sharpness-aware gradients, for any method's step."""

from keras import ops

from keras_balance.engine.base import Gradients
from keras_balance.optimizers.sharpness import sam_perturbation


def sharp_gradients(
    model, loss_fn, variables, rho, adaptive=False, first_pass=None
):
    """`model.gradients`, taken where the loss is sharpest nearby.

    Stands in a step where `self.gradients(loss_fn, variables)` does:

        found = sharp_gradients(self, loss_fn, variables, rho=0.05)
        self.apply_gradients(found.gradients[0], variables)

    `loss_fn` runs twice. What it assigns in the second pass is dropped, and
    random draws repeat those of the first. Only `variables` are perturbed and
    are in the norm: leave out those of modalities that rest. Heads that are
    trained as probes, beside the loss, are not perturbed either. Of several
    losses the sum decides where to go.

    Args:
        model: a `BalancedModel`.
        loss_fn: as in `BaseEngine.gradients`.
        variables: list of trainable variables.
        rho: float, see `sam_perturbation`.
        adaptive: boolean, see `sam_perturbation`.
        first_pass: what to call for `model.gradients`, for models in which
            that is this function.

    Returns:
        `Gradients`: losses and aux of the first pass, gradients of the second.
    """
    states = model.random_states()
    first = (first_pass or model.gradients)(loss_fn, variables)
    probes = set()
    if not model.trains_heads:
        heads = model.heads.values()
        probes = {id(v) for head in heads for v in head.trainable_variables}
    moving = [i for i, v in enumerate(variables) if id(v) not in probes]
    total = [sum(each) for each in zip(*first.gradients, strict=True)]
    values = [ops.convert_to_tensor(v) for v in variables]
    steps = sam_perturbation(
        [total[i] for i in moving], [values[i] for i in moving], rho, adaptive
    )
    for i, step in zip(moving, steps, strict=True):
        values[i] = values[i] + ops.cast(step, values[i].dtype)
    second = model.gradients_at(loss_fn, variables, values, fixed=states)
    return Gradients(first.losses, first.aux, second.gradients)
