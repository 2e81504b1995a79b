"""`keras-balance doctor`: what this machine can run."""

import json
import os
import subprocess
import sys

import click

from keras_balance.cli.screen import Screen
from keras_balance.cli.screen import print_json
from keras_balance.cli.screen import print_table
from keras_balance.errors import UsageError
from keras_balance.runs import backend

_PROBE = """
import json, keras
print(json.dumps({"device": str(keras.ops.zeros(()).device)}))
"""
_READER = """
import json, keras_balance.data.decoding.readers as readers
readers.get("tensorflow-io")
print(json.dumps({"state": "loads"}))
"""


@click.command("doctor", short_help="Check what this machine can run.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(as_json):
    """Check the installation: backends, devices, versions, tensorflow-io."""
    from keras_balance.runs import environment

    found = backend.installed()
    backends = {}
    with Screen() as screen:
        for done, name in enumerate(backend.BACKENDS):
            screen.step(done, len(backend.BACKENDS), f"importing {name}")
            backends[name] = _probe(name)
    document = {
        "python": sys.version.split()[0],
        "versions": environment.versions(),
        "backends": backends,
        "tensorflow-io": _tensorflow_io(),
        "default_backend": _default(),
    }
    if as_json:
        print_json(document)
    else:
        _print(document)
    if not found:
        raise UsageError(
            "Expected one of TensorFlow, JAX and PyTorch, found none.",
            'pip install "keras-balance[jax]"',
        )


def _probe(name):
    if name not in backend.installed():
        return {"installed": False}
    return {"installed": True, **_run(_PROBE, name)}


def _tensorflow_io():
    import importlib.util

    if importlib.util.find_spec("tensorflow_io") is None:
        return "not installed (optional)"
    found = _run(_READER, "tensorflow")
    return found.get("state") or found["error"]


def _default():
    try:
        name, reason = backend.choose()
    except UsageError as error:
        return str(error)
    return f"{name}, {reason}"


def _run(code, name):
    """JSON that `code` prints in a process of its own; or its last line."""
    environment = {**os.environ, "KERAS_BACKEND": name}
    environment.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=environment,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        return {"error": done.stderr.strip().rsplit("\n", 1)[-1]}
    return json.loads(done.stdout.strip().rsplit("\n", 1)[-1])


def _print(document):
    versions = document["versions"]
    rows = []
    for name, state in document["backends"].items():
        device = state.get("device") or state.get("error") or "-"
        rows.append([name, versions.get(name, "not installed"), device])
    print_table(["backend", "version", "device"], rows)
    others = {
        package: version
        for package, version in versions.items()
        if package not in document["backends"]
    }
    print_table(["package", "version"], others.items())
    click.echo(f"Python {document['python']}")
    click.echo(f"tensorflow-io: {document['tensorflow-io']}")
    click.echo(
        f"backend of a run without --backend: {document['default_backend']}"
    )
