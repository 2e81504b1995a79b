"""`keras-balance methods`: what a recipe can be run with."""

import click

from keras_balance import methods
from keras_balance.cli.screen import print_json
from keras_balance.cli.screen import print_table

FIELDS = ("class_name", "summary", "paper", "family", "cost", "needs")


@click.command("methods")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(as_json):
    """List the methods: paper, family, cost, needs."""
    rows = [methods.get(slug) for slug in methods.names()]
    if as_json:
        fields = ("slug", *FIELDS)
        print_json([{name: getattr(m, name) for name in fields} for m in rows])
        return
    print_table(
        ["method", "what", "paper", "family", "cost", "needs"],
        [[m.slug, m.summary, m.paper, m.family, m.cost, m.needs] for m in rows],
    )
