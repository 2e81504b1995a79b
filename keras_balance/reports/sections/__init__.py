"""The sections of a run's report, one a file, in the order of the page.

A section is a function of a `Run` that returns `Html`, empty where the run
has nothing to show.
"""

from keras_balance.reports.sections.agreement import agreement
from keras_balance.reports.sections.confusion import confusion
from keras_balance.reports.sections.contribution import contribution
from keras_balance.reports.sections.features import features
from keras_balance.reports.sections.gaps import gaps
from keras_balance.reports.sections.headline import headline
from keras_balance.reports.sections.notes import notes
from keras_balance.reports.sections.probes import probes
from keras_balance.reports.sections.protocol import protocol
from keras_balance.reports.sections.published import published
from keras_balance.reports.sections.reliability import reliability
from keras_balance.reports.sections.repeat import repeat
from keras_balance.reports.sections.robustness import robustness
from keras_balance.reports.sections.settings import settings
from keras_balance.reports.sections.timings import timings
from keras_balance.reports.sections.title import title
from keras_balance.reports.sections.training import training

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
