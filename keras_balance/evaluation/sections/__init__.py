"""The sections of a run's report, one a file, in the order of the page.

A section is a function of a `Run` that returns `Html`, empty where the run
has nothing to show.
"""

from keras_balance.evaluation.sections.agreement import agreement
from keras_balance.evaluation.sections.confusion import confusion
from keras_balance.evaluation.sections.contribution import contribution
from keras_balance.evaluation.sections.features import features
from keras_balance.evaluation.sections.gaps import gaps
from keras_balance.evaluation.sections.headline import headline
from keras_balance.evaluation.sections.notes import notes
from keras_balance.evaluation.sections.probes import probes
from keras_balance.evaluation.sections.protocol import protocol
from keras_balance.evaluation.sections.published import published
from keras_balance.evaluation.sections.reliability import reliability
from keras_balance.evaluation.sections.repeat import repeat
from keras_balance.evaluation.sections.robustness import robustness
from keras_balance.evaluation.sections.settings import settings
from keras_balance.evaluation.sections.timings import timings
from keras_balance.evaluation.sections.title import title
from keras_balance.evaluation.sections.training import training

SECTIONS = (
    headline,
    published,
    protocol,
    training,
    confusion,
    agreement,
    gaps,
    reliability,
    contribution,
    probes,
    robustness,
    features,
    notes,
    repeat,
    settings,
    timings,
)

__all__ = ["SECTIONS", "title"]
