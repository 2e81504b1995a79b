"""The recipes: one folder is one paper on one data set, frozen.

`catalogue.toml` names them, with what listings show. A folder holds `recipe.py`
and, as far as there is something to say, `methods.toml` (what is set of a
method), `published.csv` (what the paper printed) and README.md. What
`recipe.py` defines:

    Config          every number of the experiment, the fields of --set
    VARIANTS        what "paper" and "code" change of Config
    DEMO            what --demo changes
    DEMO_DATA       arguments of the data set's write_demo
    settings        Config -> the data set's Settings, as a dict
    network         Config -> encoders, fusion, preprocessing
    optimizer       Config -> the optimizer
    learning_rate   Config, epoch -> the rate of that epoch

What two recipes share is a named piece of `keras_balance.protocols`. Another
package adds its own by an entry point (`keras_balance.registry`), as
tests/outside/example does.
"""
