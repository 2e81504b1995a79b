"""Every method, by its slug.

A method is a file of this folder and a table of `catalogue.toml`, which is
plain data, so that listing the methods does not import Keras. Other packages
add theirs by an entry point (`keras_balance.registry`) or by `register`.
"""

from dataclasses import dataclass
from dataclasses import field
from dataclasses import replace

from keras_balance.methods.signatures import read_arguments
from keras_balance.registry import Registry

_METHODS = Registry("method", __name__)


@dataclass(frozen=True)
class Method:
    """What is known of a method without importing it.

    Attributes:
        slug: the name for `create` and the command line.
        module: dotted name of its file.
        class_name: the class there; also `keras_balance.<class_name>`.
        summary: what it does, in a line.
        paper: authors, venue and year.
        family: "reference", "gradient", "loss", "masking", "schedule".
        cost: forward (F) and backward (B) passes of all encoders in a step.
        needs: what it asks for beyond encoders and labels.
        defaults: arguments that the slug presets.
        code_defaults: those that it presets otherwise for `variant="code"`.
        lengths: arguments that count epochs, as shares of all epochs.
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
    lengths: dict = field(default_factory=dict)

    def presets(self, variant="paper"):
        """The arguments that the slug presets in a variant."""
        own = self.code_defaults if variant == "code" else {}
        return {**self.defaults, **own}

    def scaled_lengths(self, epochs):
        """The arguments that count epochs, for a training of so many."""
        return {
            name: max(1, round(share * epochs))
            for name, share in self.lengths.items()
        }


def names():
    """The slugs of all methods."""
    return _METHODS.names()


def get(slug):
    """The `Method` of a slug.

    Raises:
        ValueError: where no method has it; the message names the nearest.
    """
    entry = _METHODS.get(slug)
    return Method(slug, entry.module, entry.attribute, **entry.facts)


def load(slug):
    """The class of a slug; imports its module."""
    return _METHODS.get(slug).load()


def arguments(slug):
    """The hyper-parameters of a slug, read without importing Keras.

    Returns:
        dict of name to `keras_balance.methods.signatures.Argument`, with the
        slug's presets as defaults.
    """
    entry = _METHODS.get(slug)
    path = entry.folder / f"{entry.module.rpartition('.')[2]}.py"
    found = read_arguments(path, entry.attribute)
    presets = get(slug).presets()
    return {
        name: replace(one, default=repr(presets[name]))
        if name in presets
        else one
        for name, one in found.items()
    }


def create(slug, **kwargs):
    """A model that trains by the method of this slug.

    Args:
        slug: one of `names()`.
        **kwargs: arguments of the method's class, such as `encoders` and
            `num_classes`; they win over what the slug presets.
    """
    presets = get(slug).presets(kwargs.get("variant", "paper"))
    return load(slug)(**{**presets, **kwargs})


def register(slug, method, *, summary, family, cost, **facts):
    """Adds a method of another package to this process, by its slug.

    Commands that start processes of their own, such as a recipe with several
    methods, know it only by an entry point (`keras_balance.registry`).

    Args:
        slug: the new name.
        method: subclass of `keras_balance.BalancedModel`.
        summary: as in `Method`.
        family: as in `Method`.
        cost: as in `Method`.
        **facts: the rest of `Method`: paper, needs, defaults, code_defaults,
            lengths.

    Raises:
        ValueError: the slug is taken.
        TypeError: `facts` has a name that `Method` has not.
    """
    facts = {"summary": summary, "family": family, "cost": cost, **facts}
    Method(slug, method.__module__, method.__qualname__, **facts)
    _METHODS.register(slug, method, **facts)


def classes():
    """Dict from the name of each method's class to its module."""
    return {m.class_name: m.module for m in map(get, names())}


def __getattr__(name):
    for slug in names():
        if _METHODS.get(slug).attribute == name:
            return load(slug)
    raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
