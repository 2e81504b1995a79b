"""The model of a plan."""

from keras_balance.errors import UsageError


def build(recipe, plan, parts):
    """The compiled model with every variable, the optimizer's too.

    Returns:
        `(model, used)`, `used` being the method's arguments.
    """
    import keras_balance as kb
    from keras_balance.runs import method

    config = plan.config
    used = method.arguments(
        plan.method,
        {
            "variant": plan.variant,
            "modality": config.modality,
            **recipe.arguments(config, plan.method),
        },
        plan.method_arguments,
    )
    try:
        model = kb.methods.create(
            plan.method,
            num_classes=len(kb.data.get(recipe.INFO.dataset).CLASSES),
            **_network(recipe, config),
            **used,
        )
    except ValueError as error:
        # What a constructor refuses is a setting: a fusion, an alpha.
        raise UsageError(str(error)) from error
    model.compile(optimizer=recipe.optimizer(config), metrics=["accuracy"])
    inputs, _ = parts.train[0]
    model.build({name: (None, *x.shape[1:]) for name, x in inputs.items()})
    model.optimizer.build(model.trainable_variables)
    return model, used


def _network(recipe, config):
    from keras_balance.encoders import KerasHubMissing

    try:
        return recipe.network(config)
    except KerasHubMissing as error:
        raise UsageError(
            str(error).partition(" Install it")[0],
            'pip install "keras-balance[encoders]"',
        ) from error
