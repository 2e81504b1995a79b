"""One compiled step per phase, and what a step refuses."""

import keras
import numpy as np
import pytest


class Phases(keras.callbacks.Callback):
    """Goes through the phases, one an epoch."""

    def on_epoch_begin(self, epoch, logs=None):
        phases = self.model.phases
        self.model.set_phase(phases[epoch % len(phases)])


def one_encoder(traces):
    """A step that trains the encoder that the phase names."""

    def step(model, batch):
        traces.append(model.phase)
        index = model.modalities.index(model.phase)
        variables = [model.trainable_variables[index]]

        def loss_fn():
            outputs = model.forward_pass(batch.x, training=True)
            return model.training_loss(outputs, batch), outputs

        (loss,), outputs, (gradients,) = model.gradients(loss_fn, variables)
        model.apply_gradients(gradients, variables)
        return model.step_logs(loss, outputs, batch)

    return step


def test_each_phase_is_traced_once_and_does_its_own(problem, arrays):
    traces, moved = [], []
    model = problem.model(one_encoder(traces), phases=("visual", "audio"))
    last = [arrays(model.trainable_variables)]

    def compare(epoch, logs):
        model.sync_state()
        now = arrays(model.trainable_variables)
        pairs = zip(last[0], now, strict=True)
        moved.append([i for i, (a, b) in enumerate(pairs) if (a != b).any()])
        last[0] = now

    callbacks = [
        Phases(),
        keras.callbacks.LambdaCallback(on_epoch_end=compare),
    ]
    history = problem.fit(model, 4, batch_size=4, callbacks=callbacks)
    assert moved == [[0], [1], [0], [1]]
    assert history["phase"] == [0, 1, 0, 1]
    first = list(traces)
    problem.fit(model, 4, batch_size=4, callbacks=callbacks)
    if keras.config.backend() == "torch":
        assert traces == 2 * first == 4 * (["visual"] * 2 + ["audio"] * 2)
        return
    assert traces == first, "a second fit traced again"
    allowed = 1
    if keras.config.backend() == "tensorflow":
        allowed = 2  # The very first function is traced twice.
    assert 1 <= traces.count("visual") <= allowed
    assert traces.count("audio") == 1


def test_compiling_again_makes_new_steps(problem):
    traces = []
    model = problem.model(one_encoder(traces), phases=("visual", "audio"))
    problem.fit(model)
    count = len(traces)
    model.compile(optimizer=keras.optimizers.SGD(0.0), metrics=["accuracy"])
    before = [np.array(w) for w in model.get_weights()]
    problem.fit(model)
    assert len(traces) > count
    kernels = [w for w in model.get_weights() if w.ndim == 2]
    old = [w for w in before if w.ndim == 2]
    for a, b in zip(old, kernels, strict=True):
        np.testing.assert_array_equal(a, b)


def test_several_torch_processes_are_refused(problem, plain_step, monkeypatch):
    if keras.config.backend() != "torch":
        pytest.skip("only torch has torch.distributed")
    import torch

    model = problem.model(plain_step)
    monkeypatch.setattr(torch.distributed, "is_available", lambda: True)
    monkeypatch.setattr(torch.distributed, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.distributed, "get_world_size", lambda: 2)
    with pytest.raises(RuntimeError, match="world_size=2. Use the jax backend"):
        model.train_on_batch(problem.x, problem.y)
    monkeypatch.setattr(torch.distributed, "get_world_size", lambda: 1)
    assert np.isfinite(model.train_on_batch(problem.x, problem.y)).all()
