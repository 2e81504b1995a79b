"""What recipes share, by name; a `recipe.py` states the rest.

    config      RunConfig and setting: the fields of --set, with their source
    optimizers  SGD and Adam as torch.optim has them
    schedules   learning rates by epoch
    stages      trainings that come before: teachers
    networks    front ends, an encoder for each modality, a fusion

One with settings adds its fields to a recipe's `Config`, which inherits it, and
holds the function that reads them. Importing one does not import Keras.
"""
