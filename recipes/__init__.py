"""The recipes: one folder is one paper on one data set, frozen.

A folder holds `recipe.py` and README.md; a new one is found by its name. What
`recipe.py` defines, and who uses it:

    INFO            what the listings show, without importing Keras
    Config          every number of the experiment, the fields of --set
    VARIANTS        what "paper" and "code" change of Config
    DEMO            what --demo changes
    DEMO_DATA       arguments of the data set's write_demo
    settings        Config -> the data set's Settings
    network         Config -> encoders, fusion, preprocessing
    arguments       Config, method -> hyper-parameters the paper gave
    optimizer       Config -> the optimizer
    learning_rate   Config, epoch -> the rate of that epoch

What papers printed is in published.json.
"""
