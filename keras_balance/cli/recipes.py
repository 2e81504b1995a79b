"""`keras-balance recipes`: what there is to run."""

import click

from keras_balance.cli.screen import print_json
from keras_balance.cli.screen import print_table
from keras_balance.runs import recipe as recipes


@click.command("recipes")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(as_json):
    """List the recipes: data set, paper, what they need."""
    rows = [(name, recipes.info(name)) for name in recipes.names()]
    if as_json:
        print_json([{"name": name, **vars(info)} for name, info in rows])
        return
    print_table(
        ["recipe", "data set", "size", "paper", "needs"],
        [[n, i.dataset, i.size, i.paper, i.needs] for n, i in rows],
    )
