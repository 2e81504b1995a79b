"""What one run is: resolved from the command line without importing Keras."""

import dataclasses
import pathlib

from keras_balance import methods
from keras_balance.errors import UsageError
from keras_balance.runs import recipe as recipes
from keras_balance.runs import stages
from keras_balance.runs.config import parse_literal
from keras_balance.runs.config import parse_settings
from keras_balance.runs.config import to_text
from keras_balance.runs.config import unknown
from keras_balance.runs.folder import RunFolder
from keras_balance.runs.method import check_arguments
from keras_balance.runs.method import parameters
from keras_balance.runs.method_settings import CONDITIONS
from keras_balance.runs.method_settings import METHOD
from keras_balance.runs.method_settings import method_settings
from keras_balance.runs.no_effect import without_effect

# Fields that a command's options have by the same name.
_GIVEN = (
    "variant",
    "backend",
    "seed",
    "demo",
    "data_dir",
    "cache_dir",
    "out",
    "on_error",
)


@dataclasses.dataclass(frozen=True)
class Plan:
    """One run of one method with one seed.

    Args:
        recipe: name of the recipe.
        method: slug.
        variant: `"paper"` or `"code"`.
        backend: name of the backend.
        seed: integer.
        demo: whether the generated data set is used.
        config: the recipe's `Config` with every override applied.
        overrides: list of texts `key=value`: what `--demo` changed.
        method_arguments: dict of what the recipe sets of the method, and
            `--set method.<name>=` over it.
        data_dir: folder of the data set, or None.
        cache_dir: folder of prepared data, or None for the user's cache.
        out: folder of all runs.
        on_error: `"fail"` or `"skip"` a broken file.
        stages: dict from the name of a stage to the run that is put in its
            place.
    """

    recipe: str
    method: str
    variant: str
    backend: str
    seed: int
    demo: bool
    config: object
    overrides: list
    method_arguments: dict
    data_dir: str | None
    cache_dir: str | None
    out: str
    on_error: str
    stages: dict = dataclasses.field(default_factory=dict)

    @property
    def label(self):
        """The method, with its modality where there is one."""
        modality = self.config.modality
        return f"{self.method}-{modality}" if modality else self.method

    def folder(self):
        """The `RunFolder`."""
        return RunFolder(
            self.out,
            self.recipe,
            self.label,
            self.variant,
            self.backend,
            self.seed,
            [*self.changes(), *self._stages_put()],
        )

    def changes(self):
        """The settings that are not the recipe's own, as `key=value`.

        Its own are those of variant and method, and in a demonstration what
        `--demo` makes of them. The modality is part of the label.
        """
        recipe = recipes.load(self.recipe)
        given = (recipe, self.method, self.variant, self.demo)
        now = named(self.config, self.method_arguments)
        chosen = {name: now[name] for name in CONDITIONS if name in now}
        pairs = [f"{name}={value}" for name, value in chosen.items()]
        plain, follows = (
            named(config, arguments)
            for config, _, arguments in (
                resolve(*given, []),
                resolve(*given, pairs),
            )
        )
        # What the recipe sets for a fusion goes without saying.
        own = {**follows, **{name: plain[name] for name in chosen}}
        return [
            f"{name}={to_text(value)}"
            for name, value in now.items()
            if name != "modality" and own.get(name, ()) != value
        ]

    def _stages_put(self):
        return [
            f"stage.{name}={pathlib.Path(path).name}"
            for name, path in self.stages.items()
        ]

    def without_effect(self):
        """What was set of it that changes nothing, in sentences."""
        names = [pair.partition("=")[0] for pair in self.changes()]
        return [
            *without_effect(self.config, names),
            *stages.without_effect(recipes.load(self.recipe), self),
        ]

    def places(self):
        """Where the run looked for its data, absolute: for repeating it."""
        return {
            "data_dir": _absolute(self.data_dir),
            "cache_dir": _absolute(self.cache_dir),
        }

    def document(self):
        """What config.json holds that a continued run must agree with."""
        return {
            "recipe": self.recipe,
            "method": self.label,
            "variant": self.variant,
            "backend": self.backend,
            "seed": self.seed,
            "demo": self.demo,
            "demo_overrides": self.overrides,
            "config": dataclasses.asdict(self.config),
            "method_arguments": self.method_arguments,
            "changes": self.changes(),
            "on_error": self.on_error,
            "stages": self.stages,
        }


def make(recipe, method, pairs, options):
    """The plan of one run, from the options of a command.

    Args:
        recipe: name of the recipe.
        method: slug.
        pairs: the texts of `--set`.
        options: dict of the other fields of `Plan`, and `epochs`; `stages`
            are the texts of `--stage`.

    Raises:
        UsageError: as `resolve`.
    """
    config, overrides, arguments = resolve(
        recipes.load(recipe),
        method,
        options["variant"],
        options["demo"],
        pairs,
        options["epochs"],
    )
    return Plan(
        recipe=recipe,
        method=method,
        config=config,
        overrides=overrides,
        method_arguments=arguments,
        **{name: options[name] for name in _GIVEN},
        stages=stages.parse(options.get("stages", ())),
    )


def named(config, arguments):
    """All settings of a run in one dict, by the names of `--set`."""
    given = {METHOD + name: value for name, value in arguments.items()}
    return {**dataclasses.asdict(config), **given}


def _absolute(path):
    return None if path is None else str(pathlib.Path(path).resolve())


def resolve(recipe, method, variant, demo, pairs, epochs=None):
    """A recipe's configuration with every override.

    The order is defaults, variant, the recipe's settings of the method,
    `--demo`, what the method's slug presets, `--set`, `--epochs`: what is
    typed wins.

    Args:
        recipe: a recipe's module.
        method: slug.
        variant: `"paper"` or `"code"`.
        demo: boolean.
        pairs: the texts of `--set`.
        epochs: the value of `--epochs`, or None.

    Returns:
        `(config, overrides, method_arguments)` as in `Plan`.

    Raises:
        UsageError: for an unknown variant or setting.
    """
    if variant not in recipe.VARIANTS:
        raise unknown("variant", variant, recipe.VARIANTS)
    own = [pair for pair in pairs if not pair.startswith(METHOD)]
    arguments = [METHOD + name for name in parameters(method)]
    typed = parse_settings(recipe.Config, own, arguments)
    if epochs is not None:
        typed["epochs"] = epochs
    shortened = recipe.DEMO if demo else {}
    known = {field.name for field in dataclasses.fields(recipe.Config)}
    presets = {
        name: value
        for name, value in methods.get(method).presets(variant).items()
        if name in known
    }

    def config(given):
        return recipe.Config(
            **{**recipe.VARIANTS[variant], **given, **shortened}
            | {**presets, **typed}
        )

    chosen = {**dataclasses.asdict(config({})), "variant": variant}
    own = {s.name: s.value for s in method_settings(recipe, method, chosen)}
    fields = {k: v for k, v in own.items() if not k.startswith(METHOD)}
    found = config(fields)
    overrides = [
        f"{k}={to_text(v)}" for k, v in shortened.items() if k not in typed
    ]
    arguments = {
        name.removeprefix(METHOD): value
        for name, value in own.items()
        if name.startswith(METHOD)
    }
    given = _method_arguments(pairs)
    check_arguments(method, given, known)
    return found, overrides, {**arguments, **given}


def _method_arguments(pairs):
    found = {}
    for pair in pairs:
        key, equals, text = pair.partition("=")
        if not key.startswith(METHOD):
            continue
        if not equals:
            raise UsageError(
                f"Expected --set method.<name>=value. Received: --set {pair}"
            )
        found[key.removeprefix(METHOD)] = parse_literal(text)
    return found
