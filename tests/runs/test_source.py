"""What a run says of its data."""

from keras_balance.runs.source import grouped


def test_one_warning_for_all_samples_that_it_is_of():
    short = "expected 3 frames. Received: 2; the last is repeated."
    warnings = [f"clip{i}: {short}" for i in range(7)]
    warnings.insert(3, "odd: silent, as published; kept.")
    assert grouped(warnings) == [
        f"7 samples (clip0, clip1, clip2, clip3, clip4, ...): {short}",
        "odd: silent, as published; kept.",
    ]
