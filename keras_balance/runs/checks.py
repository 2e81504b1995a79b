"""What is refused before a run begins, and before Keras is imported."""

import pathlib

from keras_balance.errors import UsageError
from keras_balance.runs.config import unknown


def check_method(slug):
    """Refuse an unknown method.

    Raises:
        UsageError: no method has this slug.
    """
    from keras_balance import methods

    if slug not in methods.names():
        raise unknown("method", slug, methods.names(), "keras-balance methods")


def check_data(info, demo, data_dir):
    """Refuse a run that has no data.

    Args:
        info: the recipe's `Info`.
        demo: whether the generated data set is used.
        data_dir: the value of `--data-dir`, or None.

    Raises:
        UsageError: neither `demo` nor an existing `data_dir`.
    """
    fetch = f"keras-balance data fetch {info.dataset} --data-dir DIR"
    advice = f"{fetch}, then --data-dir DIR; or try it at once with --demo"
    if demo:
        return
    if data_dir is None:
        raise UsageError(
            f"Expected --data-dir, the folder of the data set {info.dataset}. "
            "Received: none",
            advice,
        )
    if not pathlib.Path(data_dir).is_dir():
        raise UsageError(
            f"Expected an existing folder. Received: --data-dir {data_dir}",
            advice,
        )


def check_settings(info, recipe, config):
    """Refuse what the data set refuses of a configuration, before data.

    Args:
        info: the recipe's `Info`.
        recipe: the recipe's module.
        config: its `Config`.

    Raises:
        UsageError: as above.
    """
    from keras_balance import data as datasets

    dataset = datasets.get(info.dataset)
    settings = dataset.settings(**recipe.settings(config))
    if config.selection == "validation" and not dataset.may_validate(settings):
        raise no_validation()


def no_validation():
    """The error where no part is there to select the epoch by."""
    return UsageError(
        "Expected a validation part to select the epoch by. Received: an "
        "empty one with selection=validation",
        "--set validation=0.1, or --set selection=last",
    )


def check_modality(info, modality, slugs):
    """Refuse a modality that the data lack, or that no method would use.

    Args:
        info: the recipe's `Info`.
        modality: the value of the setting, empty for none.
        slugs: the methods asked for.

    Raises:
        UsageError: as above.
    """
    if not modality:
        return
    if modality not in info.modalities:
        raise unknown("modality", modality, info.modalities)
    others = [slug for slug in slugs if slug != "unimodal"]
    if others:
        raise UsageError(
            "Expected modality with --method unimodal alone. "
            f"Received: modality={modality}, methods={', '.join(others)}"
        )
