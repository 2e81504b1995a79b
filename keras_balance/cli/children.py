"""Several runs: each in a process of its own."""

import subprocess
import sys

import click


def run_children(found, options, screen):
    """Run every plan; a failed one does not stop the others.

    Args:
        found: list of `Plan`.
        options: the options of the command.
        screen: `Screen`.

    Raises:
        click.exceptions.Exit: with the code of the first run that failed,
            after all were tried; wrong use stops at once.
    """
    failed = 0
    for number, plan in enumerate(found, 1):
        screen.line(f"run {number}/{len(found)}: {plan.folder().path.name}")
        code = subprocess.call(command_line(plan, options))
        if code in (2, 130) or code < 0:
            raise click.exceptions.Exit(code if code > 0 else 1)
        failed = failed or code
    if failed:
        raise click.exceptions.Exit(failed)


def command_line(plan, options):
    """The words that run one plan in a process of its own.

    Args:
        plan: `Plan`.
        options: dict with `data_dir`, `cache_dir`, `epochs`, `demo`, `resume`
            and `pairs`, as the command `recipe` has them.
    """
    line = [sys.executable, "-m", "keras_balance.cli", "recipe", plan.recipe]
    line += ["--method", plan.method, "--seed", str(plan.seed)]
    line += ["--variant", plan.variant, "--backend", plan.backend]
    line += ["--out", plan.out, "--on-error", plan.on_error, "--child"]
    for name in ("data_dir", "cache_dir", "epochs"):
        if options[name] is not None:
            line += [f"--{name.replace('_', '-')}", str(options[name])]
    for name in ("demo", "resume"):
        if options[name]:
            line.append(f"--{name}")
    pairs = [p for p in options["pairs"] if not p.startswith("modality=")]
    if plan.config.modality:
        pairs.append(f"modality={plan.config.modality}")
    for pair in pairs:
        line += ["--set", pair]
    return line
