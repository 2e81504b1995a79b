"""Where the channels of an image are."""

import keras


def check_data_format(data_format):
    """Return the data format, Keras's configured one if None.

    Raises:
        ValueError: it is not "channels_last", "channels_first" or None.
    """
    if data_format is None:
        return keras.config.image_data_format()
    if data_format not in ("channels_last", "channels_first"):
        raise ValueError(
            'expected data_format to be "channels_last", "channels_first" or '
            f"None. Received: data_format={data_format!r}"
        )
    return data_format
