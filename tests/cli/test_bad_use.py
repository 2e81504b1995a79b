"""Wrong use: the exact message, the next command, exit code 2."""

import re

import pytest

DEMO = ["recipe", "cremad-ogm", "--demo"]
# id: words, message, next command (or None for click's own errors).
BAD = {
    "command": (
        ["recip"],
        "Received: command='recip'. Did you mean 'recipe'?",
        "keras-balance --help",
    ),
    "recipe": (
        ["recipe", "cremad"],
        "Expected recipe to be one of: avdigits-ogm, cremad-ogm. "
        "Received: recipe='cremad'. Did you mean 'cremad-ogm'?",
        "keras-balance recipes",
    ),
    "method": (
        [*DEMO, "--method", "ogmge"],
        "Received: method='ogmge'. Did you mean 'ogm-ge'?",
        "keras-balance methods",
    ),
    "variant": (
        [*DEMO, "--variant", "cod"],
        "Expected variant to be one of: code, paper. "
        "Received: variant='cod'. Did you mean 'code'?",
        None,
    ),
    "backend": (
        [*DEMO, "--backend", "pytorch"],
        "Received: --backend='pytorch'. Did you mean 'torch'?",
        None,
    ),
    "option": ([*DEMO, "--epoch", "1"], "No such option '--epoch'", None),
    "epochs": ([*DEMO, "--epochs", "0"], "0 is not in the range x>=1", None),
    "seed": ([*DEMO, "--seed", "-1"], "-1 is not in the range x>=0", None),
    "on-error": ([*DEMO, "--on-error", "stop"], "'stop' is not one of", None),
    "setting": (
        [*DEMO, "--set", "spli=1"],
        "Received: --set key='spli'. Did you mean 'split'?",
        None,
    ),
    "an argument of the method as a setting": (
        [*DEMO, "--set", "alfa=.5"],
        "Received: --set key='alfa'. Did you mean 'method.alpha'?",
        None,
    ),
    "a setting in capitals": (
        [*DEMO, "--set", "Learning-Rate=1"],
        "Received: --set key='Learning-Rate'. Did you mean 'learning_rate'?",
        None,
    ),
    "a setting as an argument of the method": (
        [*DEMO, "--set", "method.epoch=1"],
        "Received: argument of ogm-ge='epoch'. Did you mean 'epochs'?",
        None,
    ),
    "an argument that is an option": (
        [*DEMO, "--set", "method.variant=code"],
        "Expected --variant. Received: --set method.variant",
        None,
    ),
    "an argument of the method to be tuned": (
        [
            *["sweep", "cremad-ogm", "--demo", "--trials", "1"],
            *["--tune", "alfa=0:1"],
        ],
        "Received: --tune name='alfa'. Did you mean 'method.alpha'?",
        None,
    ),
    "family": (
        ["methods", "--family", "los"],
        "Received: --family='los'. Did you mean 'loss'?",
        None,
    ),
    "a method to be shown": (
        ["methods", "g2b"],
        "Received: method='g2b'. Did you mean 'g2d'?",
        "keras-balance methods",
    ),
    "fewer samples than the data set takes": (
        ["recipe", "avdigits-ogm", "--demo", "--dry-run", "--set", "samples=5"],
        "samples",
        None,
    ),
    "no validation part to select the epoch by": (
        [*DEMO, "--dry-run", "--set", "validation=0"],
        "Received: an empty one with selection=validation",
        "--set validation=0.1, or --set selection=last",
    ),
    "a share above one": (
        [*DEMO, "--dry-run", "--set", "validation=2"],
        "validation=2",
        None,
    ),
    "no number": (
        [*DEMO, "--set", "learning_rate=nan"],
        "Expected a finite learning_rate. Received: learning_rate=nan",
        None,
    ),
    "too small a number": (
        [*DEMO, "--set", "image_size=0"],
        "Expected image_size >= 1. Received: image_size=0",
        None,
    ),
    "too large a number": (
        [*DEMO, "--set", "momentum=1.5"],
        "Expected momentum <= 1. Received: momentum=1.5",
        None,
    ),
    "fold of a split that has none": (
        ["recipe", "avdigits-ogm", "--demo", "--fold", "1", "--dry-run"],
        "expected fold=0 with split='official'",
        None,
    ),
    "nothing to run of a paper's table": (
        ["recipe", "avdigits-ogm", "--demo", "--published"],
        "Expected methods that avdigits-ogm has published numbers of: none",
        "keras-balance recipe avdigits-ogm --help",
    ),
    "type of a setting": (
        [*DEMO, "--set", "momentum=high"],
        "Expected momentum of type float. Received: momentum=high",
        None,
    ),
    "choice of a setting": (
        [*DEMO, "--set", "fusion=concatenate"],
        "Received: fusion='concatenate'. Did you mean 'concat'?",
        None,
    ),
    "no equals sign": (
        [*DEMO, "--set", "split"],
        "Expected --set key=value. Received: --set split",
        None,
    ),
    "modality": (
        [*DEMO, "--method", "unimodal", "--set", "modality=adio"],
        "Received: modality='adio'. Did you mean 'audio'?",
        None,
    ),
    "modality of another method": (
        [*DEMO, "--set", "modality=audio"],
        "Expected modality with --method unimodal alone. "
        "Received: modality=audio, methods=ogm-ge",
        None,
    ),
    "no data": (
        ["recipe", "cremad-ogm"],
        "Expected --data-dir, the folder of the data set cremad. "
        "Received: none",
        "keras-balance data fetch cremad --data-dir DIR, then --data-dir "
        "DIR; or try it at once with --demo",
    ),
    "no such folder": (
        ["recipe", "avdigits-ogm", "--data-dir", "nowhere"],
        "Expected an existing folder. Received: --data-dir nowhere",
        "keras-balance data fetch avdigits --data-dir DIR, then --data-dir "
        "DIR; or try it at once with --demo",
    ),
    "data set": (
        ["data", "doctor", "crema", "--data-dir", "."],
        "Received: data set='crema'. Did you mean 'cremad'?",
        "keras-balance data list",
    ),
    "doctor without a folder": (
        ["data", "doctor", "cremad", "--data-dir", "nowhere"],
        "Expected an existing folder. Received: --data-dir nowhere",
        "keras-balance data fetch cremad --data-dir nowhere",
    ),
    "setting of a data set": (
        ["data", "prepare", "cremad", "--data-dir", ".", "--set", "frame=1"],
        "Received: --set key='frame'. Did you mean 'frames'?",
        None,
    ),
    "setting of a data set out of range": (
        ["data", "prepare", "cremad", "--data-dir", ".", "--set", "frames=0"],
        "Data set cremad: frames must be an integer of at least 1. Received: "
        "frames=0",
        None,
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_message_and_exit_code(keras_balance, tmp_path, name):
    words, message, following = BAD[name]
    done = keras_balance(*words)
    assert done.returncode == 2, done.stderr
    assert done.stdout == ""
    assert message in re.sub(r"\s+", " ", done.stderr)
    if following:
        assert done.stderr.endswith(f"Next: {following}\n")
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_backend_that_is_not_installed(keras_balance, tmp_path):
    (tmp_path / "sitecustomize.py").write_text(
        "from keras_balance.runs import backend\n"
        "backend.installed = lambda: ['torch']\n"
    )
    done = keras_balance(*DEMO, "--backend", "jax", PYTHONPATH=str(tmp_path))
    assert done.returncode == 2
    assert done.stderr == (
        "Error: Expected an installed backend (torch found). "
        "Received: --backend=jax\n"
        'Next: pip install "keras-balance[jax]"\n'
    )


def test_run_folder_in_use(keras_balance, tmp_path):
    folder = tmp_path / "runs" / "cremad-ogm" / "ogm-ge-paper-jax-seed0"
    folder.mkdir(parents=True)
    (folder / "notes.txt").write_text("mine")
    done = keras_balance(*DEMO, "--backend", "jax")
    assert done.returncode == 2
    assert "Expected an empty run folder. Received: runs/cremad-ogm/" in (
        done.stderr
    )
    assert "add --resume to continue it, or choose another --out" in done.stderr
    assert [f.name for f in folder.iterdir()] == ["notes.txt"]
