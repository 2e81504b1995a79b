"""What every method reaches on real data, at an equal cost.

    python tools/benchmark/methods.py --data-dir DATA --out OUT

Trains every method on avdigits (two modalities), on CMU-MOSI features (three)
and on UCI Multiple Features (six), on CPU cores. A method has as many epochs as
its encoders' forward and backward passes allow within joint training's budget.
Its hyper-parameters are the best of four trials by validation accuracy, on seed
0; then it is trained with three seeds, and with the same hyper-parameters as
its authors' code does it, where that differs. Every run is a file in OUT, so
that an interrupted table goes on, and `--table` prints what there is.
"""

import itertools
import json
import os
import pathlib
import subprocess
import sys
import time
import tomllib

import click

from keras_balance import methods
from keras_balance.atomic import replacing

HERE = pathlib.Path(__file__).parent
DATA = ("avdigits", "mosi", "mfeat")
JOINT_EPOCHS = {"avdigits": 8, "mosi": 10, "mfeat": 10}
BATCH = {"avdigits": 32, "mosi": 64, "mfeat": 64}
SEEDS = (0, 1, 2)
MOST_EPOCHS = 4
CODE = "code"


@click.command(help=__doc__.split("\n\n")[0])
@click.option("--data-dir", required=True, type=click.Path(exists=True))
@click.option("--out", required=True, type=click.Path())
@click.option("--data", "names", multiple=True, default=DATA)
@click.option("--method", "slugs", multiple=True, default=methods.names())
@click.option("--processes", default=os.cpu_count(), show_default=True)
@click.option("--table", is_flag=True, help="Print the table of what is done.")
def main(data_dir, out, names, slugs, processes, table):
    out = pathlib.Path(out)
    if not table:
        train(pathlib.Path(data_dir), out, names, slugs, processes)
    for name in names:
        click.echo(markdown(out, name, slugs))


def train(data_dir, out, names, slugs, processes):
    """Runs one process per method and data set, some at a time."""
    from benchmark_data import write_arrays

    os.environ.update(KERAS_BACKEND="torch", OMP_NUM_THREADS="1")
    for name in names:
        write_arrays(name, data_dir, out / f"{name}.npz")
    waiting = [(name, slug) for name in names for slug in slugs]
    running = {}
    while waiting or running:
        while waiting and len(running) < processes:
            job = waiting.pop(0)
            log = out / "logs" / f"{'-'.join(job)}.txt"
            log.parent.mkdir(parents=True, exist_ok=True)
            with open(log, "w") as file:
                running[job] = subprocess.Popen(
                    [sys.executable, HERE / "train_method.py", *job, out],
                    stdout=file,
                    stderr=subprocess.STDOUT,
                )
        time.sleep(0.2)
        for job in [j for j, p in running.items() if p.poll() is not None]:
            state = "done" if running.pop(job).returncode == 0 else "FAILED"
            click.echo(f"{' '.join(job)}: {state}")


def trials(name, slug):
    """The hyper-parameters to choose from: dicts, all of equal number."""
    space = tomllib.loads((HERE / "search_space.toml").read_text())
    rates = space["rates"][name]
    own = space["tuned"].get(slug, {})
    if own:
        rates = rates[: len(rates) // 2]
    axes = {"learning_rate": rates, **own}
    fixed = space["fixed"].get(slug, {})
    return [
        {**dict(zip(axes, values, strict=True)), **fixed}
        for values in itertools.product(*axes.values())
    ]


def code_settings(slug):
    """Hyper-parameters whose scale is another one in the authors' code."""
    space = tomllib.loads((HERE / "search_space.toml").read_text())
    return space["code"].get(slug, {})


def run_path(out, name, slug, trial, seed):
    """The file of a run; `trial` is an index, or `CODE`."""
    return out / "runs" / name / slug / f"{trial}-seed{seed}.json"


def read(path):
    return json.loads(path.read_text()) if path.is_file() else None


def save(path, result):
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as part, open(part, "w") as file:
        json.dump(result, file, indent=1)


def best_trial(out, name, slug):
    """The index of the best finished trial by validation, or None."""
    found = [
        read(run_path(out, name, slug, i, SEEDS[0]))
        for i in range(len(trials(name, slug)))
    ]
    if None in found:
        return None
    scores = [result["validation"] for result in found]
    return scores.index(max(scores))


def rows(out, name, slugs):
    """One dict of lists over seeds for each method that is finished."""
    table = {}
    for slug in slugs:
        trial = best_trial(out, name, slug)
        if trial is None:
            continue
        for title, kind in ((slug, trial), (f"{slug}, {CODE}", CODE)):
            results = [read(run_path(out, name, slug, kind, s)) for s in SEEDS]
            if None not in results:
                table[title] = results
    return table


def markdown(out, name, slugs):
    """The table of a data set."""
    import numpy as np

    def spread(values):
        values = [v for v in values if v is not None]
        if not values:
            return ""
        return f"{np.mean(values):.1f} ± {np.std(values, ddof=1):.1f}"

    table = rows(out, name, slugs)
    if not table:
        return f"{name}: nothing finished in {out}"
    modalities = list(table[next(iter(table))][0]["per_modality"])
    head = ["method", "accuracy", "macro F1", *modalities, "gap"]
    head += ["epochs", "passes", "seconds an epoch", "of joint", "chosen"]
    lines = [f"{name}: test split, %, mean ± std over {len(SEEDS)} seeds", ""]
    lines += ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    joint = table.get("joint")
    for slug, results in table.items():
        own = [[r["per_modality"].get(m) for r in results] for m in modalities]
        first = results[0]
        seconds = np.median([r["seconds_an_epoch"] for r in results])
        cells = [slug, spread([r["accuracy"] for r in results])]
        cells.append(spread([r["macro_f1"] for r in results]))
        cells += [spread(values) for values in own]
        cells.append(spread([r["gap"] for r in results]))
        cells += [str(first["epochs"]), f"{first['passes']:.1f}"]
        cells.append(f"{seconds:.2f}")
        if joint:
            reference = np.median([r["seconds_an_epoch"] for r in joint])
            cells.append(f"{seconds / reference:.2f}")
        else:
            cells.append("")
        chosen = first["hyperparameters"]
        cells.append(", ".join(f"{k}={v}" for k, v in chosen.items()))
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join([*lines, ""])


if __name__ == "__main__":
    main()
