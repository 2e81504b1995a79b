"""Several runs: each in a process of its own."""

import subprocess
import sys

import click


def run_children(found, resume, screen):
    """Run every plan; a failed one does not stop the others.

    Args:
        found: list of `Plan`.
        resume: whether started runs are continued.
        screen: `Screen`.

    Raises:
        click.exceptions.Exit: with the code of the first run that failed,
            after all were tried; wrong use stops at once.
    """
    failed = 0
    for number, plan in enumerate(found, 1):
        screen.line(f"run {number}/{len(found)}: {plan.folder().path.name}")
        code = subprocess.call(child(plan, resume))
        if code in (2, 130) or code < 0:
            raise click.exceptions.Exit(code if code > 0 else 1)
        failed = failed or code
    if failed:
        raise click.exceptions.Exit(failed)


def run_stages(before, screen):
    """Runs what comes before a plan, as far as it is not complete.

    Args:
        before: dict from the name of a stage to its `Plan`.
        screen: `Screen`.

    Raises:
        click.exceptions.Exit: with the code of the first that failed.
    """
    for name, plan in before.items():
        screen.line(f"stage {name}: {plan.folder().path}")
        code = subprocess.call(child(plan, plan.folder().used))
        if code:
            raise click.exceptions.Exit(code if code > 0 else 1)


def child(plan, resume):
    """The words that run one plan in a process of its own."""
    words = [sys.executable, "-m", "keras_balance.cli", *command_line(plan)]
    return [*words, "--child", *(["--resume"] if resume else [])]


def command_line(plan):
    """What to type after `keras-balance` for a plan.

    Args:
        plan: `Plan`.

    Returns:
        list of words; of settings those that are not the recipe's own.
    """
    words = ["recipe", plan.recipe, "--method", plan.method]
    words += ["--variant", plan.variant, "--backend", plan.backend]
    words += ["--seed", str(plan.seed), "--out", plan.out]
    words += ["--on-error", plan.on_error]
    for name in ("data_dir", "cache_dir"):
        if getattr(plan, name) is not None:
            words += [f"--{name.replace('_', '-')}", str(getattr(plan, name))]
    if plan.demo:
        words.append("--demo")
    pairs = plan.changes()
    if plan.config.modality:
        pairs.append(f"modality={plan.config.modality}")
    for pair in pairs:
        words += ["--set", pair]
    for name, path in plan.stages.items():
        words += ["--stage", f"{name}={path}"]
    return words
