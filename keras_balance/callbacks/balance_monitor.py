"""Watches the balance between the modalities while `fit` runs."""

import csv
import pathlib
import warnings

import keras

from keras_balance.atomic import replacing

# What is watched of each modality, as the models name it in the logs.
QUANTITIES = (
    "accuracy",
    "val_accuracy",
    "score",
    "coefficient",
    "gradient_norm",
    "probe_accuracy",
)


class BalanceMonitor(keras.callbacks.Callback):
    """Probes the encoders, writes what is watched, warns of a neglected one.

    Scores, coefficients and gradient norms of each modality are metrics of
    every `keras_balance` model: `history`, `CSVLogger` and `TensorBoard` have
    them without this callback. It adds:

    * `<modality>_probe_accuracy` every `probe_every` epochs: what a logistic
      regression on the frozen encoder's features reaches, see
      `keras_balance.evaluation.probes`. It tells an encoder that learns
      nothing from a head that is not used.
    * a CSV file of the modalities' quantities alone, one row an epoch and
      modality.
    * one warning for each modality whose own accuracy has stayed near chance
      while another one's has not.

    Put it before `CSVLogger` and `TensorBoard`, which write the logs as they
    are when their turn comes. Training itself is the same with and without it.

    Args:
        probe_data: None, or `(train, held_out)`, each as
            `keras_balance.evaluation.outputs` takes it: the probe is fitted
            on the first and measured on the second.
        probe_every: integer, epochs between two probes; the first is after
            that many epochs.
        csv_path: path of a file to write, or None. Rows of earlier epochs are
            kept where `fit` continues (`initial_epoch`).
        patience: integer, epochs in a row before the warning.
        threshold: float in (0, 1): a modality is neglected whose accuracy
            above chance is less than this share of the best modality's.

    Raises:
        ValueError: an argument is out of its range.
        TypeError: at the beginning of `fit`, for a model without modalities.
    """

    def __init__(
        self,
        probe_data=None,
        probe_every=5,
        csv_path=None,
        patience=3,
        threshold=0.2,
    ):
        super().__init__()
        for name, value in (
            ("probe_every", probe_every),
            ("patience", patience),
        ):
            if not isinstance(value, int) or value < 1:
                raise ValueError(
                    f"{name} must be an integer >= 1. Received: "
                    f"{name}={value!r}"
                )
        if not 0 < threshold < 1:
            raise ValueError(
                "threshold must be between 0 and 1. Received: "
                f"threshold={threshold!r}"
            )
        self.probe_data = probe_data
        self.probe_every = probe_every
        self.csv_path = None if csv_path is None else pathlib.Path(csv_path)
        self.patience = patience
        self.threshold = threshold

    def on_train_begin(self, logs=None):
        if not hasattr(self.model, "modalities"):
            raise TypeError(
                "BalanceMonitor expects a keras_balance model. Received: "
                f"model={type(self.model).__name__}"
            )
        self.epochs_below = dict.fromkeys(self.model.modalities, 0)
        self.warned = set()

    def on_epoch_end(self, epoch, logs=None):
        logs = {} if logs is None else logs
        if not self.model.predicts_own:
            return
        if self.probe_data is not None and (epoch + 1) % self.probe_every == 0:
            logs.update(self.probe())
        rows = balance(logs, self.model.modalities)
        if self.csv_path is not None:
            _write_rows(self.csv_path, epoch, rows)
        self._watch(rows)

    def probe(self):
        """Dict of `<modality>_probe_accuracy`, of the model as it is."""
        from keras_balance.evaluation import outputs
        from keras_balance.evaluation.probes import probe_accuracy

        train, held_out = (outputs(self.model, d) for d in self.probe_data)
        return {
            f"{name}_probe_accuracy": probe_accuracy(
                train[f"features/{name}"],
                train["labels"],
                held_out[f"features/{name}"],
                held_out["labels"],
            )
            for name in self.model.modalities
            if f"features/{name}" in train
        }

    def _watch(self, rows):
        chance = 1.0 / self.model.num_classes
        below = neglected(own_accuracies(rows), chance, self.threshold)
        for name in self.epochs_below:
            count = self.epochs_below[name] + 1 if name in below else 0
            self.epochs_below[name] = count
            if count == self.patience and name not in self.warned:
                self.warned.add(name)
                self.warn(_advice(name, below[name], chance, count))

    def warn(self, text):
        """Says once that a modality is neglected."""
        warnings.warn(text, stacklevel=2)


def balance(logs, modalities):
    """What an epoch's logs say of each modality.

    Args:
        logs: dict of an epoch's logs.
        modalities: names, in the model's order.

    Returns:
        Dict by modality of dicts by quantity, of what is there.
    """
    rows = {}
    for name in modalities:
        keys = {q: f"{name}_{q}" for q in QUANTITIES}
        keys["val_accuracy"] = f"val_{name}_accuracy"
        rows[name] = {q: float(logs[k]) for q, k in keys.items() if k in logs}
    return rows


def own_accuracies(rows):
    """Each modality's own accuracy: on validation data where there are."""
    return {
        name: row.get("val_accuracy", row.get("accuracy"))
        for name, row in rows.items()
        if "val_accuracy" in row or "accuracy" in row
    }


def neglected(accuracies, chance, threshold):
    """The modalities far behind the best one.

    Args:
        accuracies: dict by modality, in [0, 1].
        chance: float, the accuracy of guessing.
        threshold: float, the share of the best modality's distance from
            chance that one must have.

    Returns:
        Dict from each neglected modality to `(its accuracy, the best
        modality, the best accuracy)`. Nothing is neglected while the best one
        is itself within a tenth of the way from chance to 1.
    """
    if len(accuracies) < 2:
        return {}
    best = max(accuracies, key=accuracies.get)
    reach = accuracies[best] - chance
    if reach < 0.1 * (1.0 - chance):
        return {}
    return {
        name: (value, best, accuracies[best])
        for name, value in accuracies.items()
        if value - chance < threshold * reach
    }


def _advice(name, found, chance, epochs):
    own, best, reached = found
    return (
        f"The modality {name!r} is neglected: for {epochs} epochs its own "
        f"accuracy was near chance ({own:.3f}; chance is {chance:.3f}), while "
        f"{best!r} has {reached:.3f}. Train it alone to see what it can "
        f"reach, keras_balance.Unimodal(modality={name!r}, ...); if that is "
        "more, try a method that balances the gradients (OGMGE, MMPareto), "
        "trains each modality in turn (ReconBoost, MLA) or gives it a loss of "
        "its own (MultiLoss), or lower the learning rate of the encoder of "
        f"{best!r}."
    )


def _write_rows(path, epoch, rows):
    """Writes the file anew with this epoch's rows after the earlier ones."""
    kept = []
    if path.is_file():
        with open(path, newline="") as file:
            kept = [r for r in csv.DictReader(file) if int(r["epoch"]) < epoch]
    new = [{"epoch": epoch, "modality": n, **row} for n, row in rows.items()]
    with replacing(path) as part, open(part, "w", newline="") as file:
        columns = ["epoch", "modality", *QUANTITIES]
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows([*kept, *new])
