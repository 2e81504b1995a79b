"""An optimizer that forgets what it gathered, for a new stage of training."""

import keras


def restart(optimizer, variables):
    """Puts the slots of an optimizer back to what they were before a step.

    Momentum, moments, averages and accumulated gradients start anew. The
    learning rate, the number of iterations and the loss scale keep their
    values, so that schedules go on; Adam, which corrects its moments by the
    number of iterations, takes larger steps until they have filled up. To be
    called between epochs (it creates variables, so not inside a train step).

    Args:
        optimizer: a Keras optimizer, or one that wraps others. One that is
            not built yet is left as it is.
        variables: list of the variables that it was built on.
    """
    groups = getattr(optimizer, "groups", None)
    if groups is not None:
        for inner, group in zip(optimizer.optimizers, groups, strict=True):
            restart(inner, [variables[i] for i in group])
        return
    inner = getattr(optimizer, "inner_optimizer", None)
    if inner is not None:
        restart(inner, variables)
        return
    if not optimizer.built:
        return
    fresh = type(optimizer).from_config(optimizer.get_config())
    fresh.build(list(variables))
    kept = ("iteration", "learning_rate")
    for variable, initial in zip(
        optimizer.variables, fresh.variables, strict=True
    ):
        if variable.name not in kept:
            variable.assign(keras.ops.convert_to_numpy(initial))
