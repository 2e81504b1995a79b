"""Every method, by its slug.

A method is a file of this folder and a table of `catalogue.toml`, which is
plain data, so that listing the methods does not import Keras.
"""

import difflib
import importlib
import tomllib
from dataclasses import dataclass
from dataclasses import field
from importlib import resources


@dataclass(frozen=True)
class Method:
    """What is known of a method without importing it.

    Attributes:
        slug: the name for `create` and the command line.
        module: the file, `keras_balance.methods.<module>`.
        class_name: the class, also `keras_balance.<class_name>`.
        summary: what it does, in a line.
        paper: authors, venue and year.
        family: "reference", "gradient", "loss", "masking", "schedule".
        cost: forward (F) and backward (B) passes of all encoders in a step.
        needs: what it asks for beyond encoders and labels.
        defaults: arguments that the slug presets.
        code_defaults: those that it presets otherwise for `variant="code"`.
    """

    slug: str
    module: str
    class_name: str
    summary: str
    family: str
    cost: str
    paper: str = ""
    needs: str = ""
    defaults: dict = field(default_factory=dict)
    code_defaults: dict = field(default_factory=dict)

    def presets(self, variant="paper"):
        """The arguments that the slug presets in a variant."""
        own = self.code_defaults if variant == "code" else {}
        return {**self.defaults, **own}


def _read():
    text = resources.files(__name__).joinpath("catalogue.toml").read_text()
    rows = tomllib.loads(text)
    return {
        slug: Method(slug, class_name=row.pop("class"), **row)
        for slug, row in rows.items()
    }


_BY_SLUG = _read()


def names():
    """The slugs of all methods."""
    return list(_BY_SLUG)


def get(slug):
    """The `Method` of a slug.

    Raises:
        ValueError: where no method has it; the message names the nearest.
    """
    if slug not in _BY_SLUG:
        near = difflib.get_close_matches(str(slug), _BY_SLUG, n=1, cutoff=0.4)
        nearest = f" Did you mean {near[0]!r}?" if near else ""
        raise ValueError(
            f"method must be one of {', '.join(_BY_SLUG)}. Received: "
            f"method={slug!r}.{nearest}"
        )
    return _BY_SLUG[slug]


def create(slug, **kwargs):
    """A model that trains by the method of this slug.

    Args:
        slug: one of `names()`.
        **kwargs: arguments of the method's class, such as `encoders` and
            `num_classes`; they win over what the slug presets.
    """
    method = get(slug)
    module = importlib.import_module(f"keras_balance.methods.{method.module}")
    presets = method.presets(kwargs.get("variant", "paper"))
    return getattr(module, method.class_name)(**{**presets, **kwargs})


def classes():
    """Dict from the name of each method's class to its module."""
    return {
        m.class_name: f"keras_balance.methods.{m.module}"
        for m in _BY_SLUG.values()
    }


def __getattr__(name):
    modules = classes()
    if name not in modules:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    return getattr(importlib.import_module(modules[name]), name)
