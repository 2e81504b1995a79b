"""The numbers of one evaluation, ready for JSON."""

from keras_balance.metrics import accuracy
from keras_balance.metrics import confusion_matrix
from keras_balance.metrics import macro_f1
from keras_balance.metrics import mean_average_precision
from keras_balance.metrics import softmax


def summarize(outputs, class_names, modalities):
    """Evaluates the fused prediction and each modality's own.

    Args:
        outputs: dict as `keras_balance.evaluation.outputs` returns it:
            `"labels"` (samples,), `"logits"` (samples, classes) and, where
            the model has them, `"unimodal/<modality>"` (samples, classes).
        class_names: class names in label order.
        modalities: modality names in the model's order.

    Returns:
        A dict of plain Python values: `accuracy`, `macro_f1` and `map` of
        the fused logits in [0, 1]; `per_modality`, the same three for every
        modality with unimodal logits; `confusion`, rows are true classes;
        `modality_confusion`, the same for every such modality;
        `class_names`; `samples`.

    Raises:
        ValueError: if the class names and the logits disagree in number, or
            for what the metrics refuse.
    """
    class_names = [str(name) for name in class_names]
    labels, logits = outputs["labels"], outputs["logits"]
    if logits.ndim != 2 or logits.shape[1] != len(class_names):
        raise ValueError(
            "Expected logits of shape (samples, number of class names). "
            f"Received: logits.shape={logits.shape}, class_names={class_names}"
        )
    unimodal = {
        name: outputs[f"unimodal/{name}"]
        for name in modalities
        if f"unimodal/{name}" in outputs
    }
    return {
        **_scores(labels, logits),
        "per_modality": {
            name: _scores(labels, own) for name, own in unimodal.items()
        },
        "confusion": confusion_matrix(labels, logits).tolist(),
        "modality_confusion": {
            name: confusion_matrix(labels, own).tolist()
            for name, own in unimodal.items()
        },
        "class_names": class_names,
        "samples": len(labels),
    }


def _scores(labels, logits):
    return {
        "accuracy": accuracy(labels, logits),
        "macro_f1": macro_f1(labels, logits),
        "map": mean_average_precision(labels, softmax(logits)),
    }
