"""`keras-balance methods`: what a recipe can be run with."""

import click

from keras_balance import methods
from keras_balance.cli.screen import print_json
from keras_balance.cli.screen import print_list
from keras_balance.runs.checks import check_method
from keras_balance.runs.config import unknown

FIELDS = ("class_name", "summary", "paper", "family", "cost", "needs")
SHOWN = ("family", "paper", "cost", "needs")


@click.command("methods")
@click.argument("slug", required=False)
@click.option("--family", metavar="NAME", help="Those of one family alone.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(slug, family, as_json):
    """List the methods; or all about the one with this SLUG.

    \b
    keras-balance methods ogm-ge              class, paper, cost, arguments
    keras-balance methods --family gradient   a part of the list
    """
    if slug is not None:
        check_method(slug)
        _show(methods.get(slug), as_json)
        return
    found = [methods.get(slug) for slug in methods.names()]
    families = list(dict.fromkeys(m.family for m in found))
    if family is not None:
        if family not in families:
            raise unknown("--family", family, families)
        families = [family]
    found = [m for name in families for m in found if m.family == name]
    if as_json:
        print_json([_fields(m) for m in found])
        return
    for name in families:
        own = [m for m in found if m.family == name]
        print_list([[m.slug, m.summary, m.paper] for m in own], title=name)
    click.echo("\nkeras-balance methods SLUG shows all about one.")


def _fields(method):
    return {name: getattr(method, name) for name in ("slug", *FIELDS)}


def _show(method, as_json):
    """Prints all that is known of a method without importing Keras."""
    arguments = methods.arguments(method.slug).values()
    if as_json:
        print_json(
            {**_fields(method), "arguments": [vars(one) for one in arguments]}
        )
        return
    click.echo(f"{method.slug}: {method.summary}\n")
    facts = {"class": f"keras_balance.{method.class_name}"}
    facts |= {name: getattr(method, name) for name in SHOWN}
    print_list([pair for pair in facts.items() if pair[1]])
    rows = [
        [f"{one.name}={one.default}" if one.default else one.name, one.help]
        for one in arguments
    ]
    if rows:
        print_list(rows, title="arguments, --set method.NAME=VALUE in a recipe")
