"""An optimizer that forgets what it gathered, for a new stage of training."""

import keras


def restart(optimizer, variables, clock=False, groups=None):
    """Puts the slots of an optimizer back to what they were before a step.

    Momentum, moments and accumulated gradients start anew, averages of the
    weights with what the weights are now. The learning rate, the number of
    iterations and the loss scale keep their values, so that schedules go on;
    Adam, which corrects its moments by the number of iterations, takes larger
    steps until they have filled up. To be called between epochs (it creates
    variables, so not inside a train step).

    Args:
        optimizer: a Keras optimizer, or one that wraps others. One that is
            not built yet is left as it is.
        variables: list of the variables that it was built on.
        clock: boolean, whether the number of iterations starts anew, too,
            unless a schedule of the learning rate counts by it.
        groups: list of indices, the groups of a `PerModality` that start
            anew; None for all.
    """
    members = getattr(optimizer, "groups", None)
    if members is not None:
        for index in range(len(members)) if groups is None else groups:
            own = [variables[i] for i in members[index]]
            restart(optimizer.optimizers[index], own, clock)
        return
    inner = getattr(optimizer, "inner_optimizer", None)
    if inner is not None:
        restart(inner, variables, clock, groups)
        return
    if not optimizer.built:
        return
    config = optimizer.get_config()
    fresh = type(optimizer).from_config(config)
    fresh.build(list(variables))
    kept = ["learning_rate"]
    if not clock or not isinstance(config["learning_rate"], float):
        kept.append("iteration")
    weights = iter(variables)
    for variable, initial in zip(
        optimizer.variables, fresh.variables, strict=True
    ):
        if optimizer.use_ema and variable.name.endswith("_average"):
            # In the order of the weights, before all other slots.
            initial = next(weights)
        if variable.name not in kept:
            variable.assign(keras.ops.convert_to_numpy(initial).copy())
