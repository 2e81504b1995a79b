"""`keras-balance evaluate`: the numbers of a run, or of a file of outputs."""

import click

from keras_balance.cli.screen import Screen
from keras_balance.cli.screen import print_json
from keras_balance.cli.screen import print_table
from keras_balance.errors import UsageError

COLUMNS = {
    "accuracy": "accuracy",
    "mean_class_accuracy": "class acc.",
    "macro_f1": "macro-F1",
    "map": "mAP",
    "top5": "top-5",
    "ece10": "ECE10",
    "ece": "ECE15",
    "nll": "NLL",
}


@click.command(
    "evaluate",
    short_help="Evaluate a run from its checkpoint, or a file of logits.",
)
@click.argument("run", required=False, metavar="[RUN]")
@click.option(
    "--outputs",
    metavar="FILE.npz",
    help="Evaluate these labels and logits: labels, logits/NAME of each "
    "modality, and logits/fused or scale (of the sum) if wanted; or what a "
    "run writes as outputs.npz.",
)
@click.option("--data-dir", help="Folder of RUN's data [as the run had it].")
@click.option(
    "--cache-dir", help="Folder of prepared data [as the run had it]."
)
@click.option("--json", "as_json", is_flag=True, help="Print results as JSON.")
def command(run, outputs, data_dir, cache_dir, as_json):
    """Evaluate again: the run folder RUN, from its checkpoint, or a file.

    \b
    keras-balance evaluate runs/cremad-ogm/ogm-ge-paper-jax-seed0
    keras-balance evaluate --outputs logits.npz
    """
    if (run is None) == (outputs is None):
        raise UsageError(
            "Expected either a run folder or --outputs. Received: "
            + ("neither" if run is None else "both"),
            "keras-balance evaluate --help",
        )
    if outputs is None:
        _evaluate_run(run, data_dir, cache_dir, as_json)
    elif data_dir or cache_dir:
        raise UsageError(
            "Expected --data-dir and --cache-dir with a run folder alone. "
            f"Received: --outputs {outputs}",
            "keras-balance evaluate --help",
        )
    else:
        _evaluate_file(outputs, as_json)


def _evaluate_run(folder, data_dir, cache_dir, as_json):
    from keras_balance.cli.results import show_run
    from keras_balance.runs.evaluate import evaluate_run

    with Screen() as screen:
        found = evaluate_run(folder, screen, data_dir, cache_dir)
    show_run(found, as_json)


def _evaluate_file(path, as_json):
    from keras_balance.evaluation.outputs_file import evaluate_outputs
    from keras_balance.evaluation.outputs_file import read_outputs

    found = read_outputs(path)
    if found.ignored:
        click.echo(f"ignored: {', '.join(found.ignored)}", err=True)
    document = evaluate_outputs(found)
    if as_json:
        print_json({"file": str(path), **document})
        return
    _print_scores(document)
    if "agreement" in document:
        _print_agreement(document["agreement"])
    if "shapley" in document:
        _print_contribution(document)
        _print_pairs(document)


def _print_scores(document):
    rows = {"fused": document, **document["per_modality"]}
    columns = {k: text for k, text in COLUMNS.items() if k in document}
    print_table(
        ["logits", *columns.values()],
        [
            [name, *(f"{scores[key]:.4f}" for key in columns)]
            for name, scores in rows.items()
        ],
        title=f"{document['samples']} samples, "
        f"{len(document['class_names'])} classes; "
        f"fused: {document['fused']}",
    )


def _print_agreement(patterns):
    samples = sum(pattern["samples"] for pattern in patterns)
    print_table(
        ["right", "samples", "of all", "fused right", "of them"],
        [
            [
                " + ".join(pattern["right"]) or "none",
                pattern["samples"],
                f"{pattern['samples'] / samples:.1%}",
                pattern["fused_right"],
                f"{pattern['fused_right'] / pattern['samples']:.1%}",
            ]
            for pattern in patterns
            if pattern["samples"]
        ],
        title="Agreement of the modalities' own logits",
    )


def _print_contribution(document):
    shapley = document["shapley"]
    print_table(
        ["modality", "Shapley value of accuracy", "mean value a sample"],
        [
            [name, f"{phi:.4f}", f"{document['valuation'][name]:.4f}"]
            for name, phi in shapley["contribution"].items()
        ],
        title="Contribution to the summed logits; imbalance degree "
        f"{_number(shapley['imbalance_degree'])} (our definition)",
    )


def _print_pairs(document):
    gaps = document["gaps"]
    rows = []
    for pair, gap in gaps["score"].items():
        first, second = pair.split("|")
        ratio = document["imbalance_ratio"][first][second]
        between = gaps["representation"].get(pair)
        rows.append(
            [f"{first}, {second}", *map(_number, (ratio, gap, between))]
        )
    print_table(
        ["modalities", "MIR", "score gap", "representation gap"],
        rows,
        title="MIR: accuracy of the first over that of the second",
    )


def _number(value):
    return "-" if value is None else f"{value:.4f}"
