"""The model of a plan."""

import keras

import keras_balance as kb
from keras_balance.encoders import KerasHubMissing
from keras_balance.errors import UsageError
from keras_balance.models.structures import shapes_of
from keras_balance.runs import method
from keras_balance.runs import recipe as recipes
from keras_balance.runs import stages


def create(recipe, plan, trained=None):
    """The compiled model, before there are data: what it refuses is first.

    Args:
        recipe: the recipe's module.
        plan: `Plan`.
        trained: dict from the names of the stages before it to their
            `RunFolder`; without it their encoders are as they start.

    Returns:
        `(model, used)`, `used` being the method's arguments.

    Raises:
        UsageError: the network, the method or a setting of it does not work,
            or no epoch of the plan would be the method's own.
    """
    keras.utils.set_random_seed(plan.seed)
    config = plan.config
    lengths = kb.methods.get(plan.method).scaled_lengths(config.epochs)
    for name in stages.instead_of(recipe, plan.method):
        lengths.pop(name)
    used = method.arguments(
        plan.method,
        {"variant": plan.variant, "modality": config.modality, **lengths},
        plan.method_arguments,
    )

    def model_of(stage):
        if trained is None:
            return create(recipe, stages.plan_of(recipe, plan, stage))[0]
        kb.register()
        return keras.models.load_model(trained[stage].model)

    try:
        model = kb.methods.create(
            plan.method,
            num_classes=len(
                kb.data.get(recipes.info(plan.recipe).dataset).classes
            ),
            **_network(recipe, config),
            **stages.gifts(recipe, plan, model_of),
            **used,
        )
        _check_own_epochs(model, plan, used)
        model.compile(optimizer=recipe.optimizer(config), metrics=["accuracy"])
    except (ValueError, TypeError) as error:
        # What a constructor refuses is a setting: a fusion, an alpha.
        raise UsageError(str(error)) from error
    return model, used


def finish(model, parts):
    """Gives a created model every variable, the optimizer's too."""
    inputs, _ = parts.train[0]
    model.build(shapes_of(inputs))
    model.optimizer.build(model.trainable_variables)


def _check_own_epochs(model, plan, used):
    before, epochs = model.epochs_before_own(), plan.config.epochs
    if epochs > before:
        return
    lengths = kb.methods.get(plan.method).lengths
    shorter = [
        f"--set method.{name}={max(1, used[name] // 2)}"
        for name in lengths
        if used.get(name, 1) > 1
    ]
    raise UsageError(
        f"Expected more epochs than the {before} in which {plan.method} "
        "trains what it needs before it predicts. Received: "
        f"epochs={epochs}",
        " or ".join([f"--epochs {2 * before}", *shorter]),
    )


def _network(recipe, config):
    try:
        return recipe.network(config)
    except KerasHubMissing as error:
        raise UsageError(
            str(error).partition(" Install it")[0],
            'pip install "keras-balance[encoders]"',
        ) from error
