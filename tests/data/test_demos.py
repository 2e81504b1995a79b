import pytest

from keras_balance import data as datasets

cremad = datasets.get("cremad")


avdigits = datasets.get("avdigits")


def content(folder):
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.mark.parametrize(
    "write",
    [
        lambda folder, seed: cremad.write_demo(
            folder, seed=seed, clips=24, actors=3, size=(16, 24)
        ),
        lambda folder, seed: avdigits.write_demo(
            folder, seed=seed, images=100, indices=11
        ),
    ],
)
def test_the_same_seed_gives_the_same_bytes(tmp_path, write):
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        write(tmp_path / name, seed)
    a, b, c = (content(tmp_path / name) for name in "abc")
    assert a == b
    assert a.keys() == c.keys()
    media = [name for name in a if name.endswith((".wav", ".flv", ".gz"))]
    assert sum(a[name] == c[name] for name in media) == 0
