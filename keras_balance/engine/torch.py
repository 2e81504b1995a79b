"""The balanced step on PyTorch: variables are live, execution is eager."""

import keras
import torch

from keras_balance.engine.base import BaseEngine
from keras_balance.engine.base import values_scope

# Execution is eager: Python runs every step.
TRACES = None


class Engine(BaseEngine):
    def train_step(self, data):
        refuse_distributed()
        return self.balanced_step(data)

    def test_step(self, data):
        return self.balanced_test_step(data)

    def switch(self, index, branches):
        """Run `branches[index]`; the index is read on the host."""
        return branches[int(index)]()

    def sum_over_replicas(self, x):
        """`x` itself: there is one replica."""
        return x

    def sync_state(self):
        """Nothing to do: the variables are always up to date."""

    def random_states(self):
        # Keras draws unseeded dropout from torch's own generators.
        return [*super().random_states(), (None, _generators())]

    def _differentiate(self, loss_fn, variables):
        sources = [v.value for v in variables]
        scaled, aux = loss_fn()
        return _pull_back(scaled, sources), _detached(aux)

    def _differentiate_at(self, loss_fn, variables, values, fixed):
        values = [v.detach().requires_grad_() for v in values]
        states = [(v, value) for v, value in fixed if v is not None]
        others, other_values = zip(*states, strict=True) if states else ((), ())
        with torch.random.fork_rng():
            for variable, generators in fixed:
                if variable is None:
                    _set_generators(generators)
            with values_scope([*variables, *others], [*values, *other_values]):
                scaled, aux = loss_fn()
        return _pull_back(scaled, values), _detached(aux)

    def _differentiate_inputs(self, fn, inputs):
        inputs = [
            x if x.requires_grad else x.detach().requires_grad_()
            for x in inputs
        ]
        value, aux = fn(inputs)
        # A constant has no graph; its gradients are zero all the same.
        connected = value if value.requires_grad else 0.0 * inputs[0].sum()
        gradients = torch.autograd.grad(
            connected, inputs, create_graph=True, materialize_grads=True
        )
        return aux, list(gradients)

    def _apply(self, gradients, variables):
        with torch.no_grad():
            self.optimizer.apply(gradients, variables)


def replicas():
    """One: there is one process."""
    return 1


def refuse_distributed():
    """Raises: RuntimeError under `torch.distributed` with several ranks.

    `torch.autograd.grad` does not trigger the gradient reduction of
    `DistributedDataParallel`, so every rank would train by itself.
    """
    distributed = torch.distributed
    if (
        distributed.is_available()
        and distributed.is_initialized()
        and distributed.get_world_size() > 1
    ):
        raise RuntimeError(
            "keras_balance trains on one process on the torch backend. "
            f"Received: world_size={distributed.get_world_size()}. Use the "
            "jax backend with keras.distribution for several devices."
        )


def _generators():
    return torch.get_rng_state(), torch.cuda.get_rng_state_all()


def _set_generators(states):
    torch.set_rng_state(states[0])
    torch.cuda.set_rng_state_all(states[1])


def _pull_back(losses, sources):
    if not sources:  # everything is frozen
        return [[] for _ in losses]
    gradients = []
    for i, loss in enumerate(losses):
        # A constant has no graph; its gradients are zero all the same.
        loss = loss if loss.requires_grad else 0.0 * sources[0].sum()
        last = i == len(losses) - 1
        one_loss = torch.autograd.grad(
            loss, sources, retain_graph=not last, materialize_grads=True
        )
        gradients.append(list(one_loss))
    return gradients


def _detached(aux):
    return keras.tree.map_structure(
        lambda x: x.detach() if torch.is_tensor(x) else x, aux
    )
