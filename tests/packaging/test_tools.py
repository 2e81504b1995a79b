"""What tools/lines.py and tools/readmes.py hold, and that they can fail."""

import pathlib
import sys

import pytest

ROOT = pathlib.Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tools"))

import lines  # noqa: E402
import readmes  # noqa: E402


def test_no_recipe_or_data_set_is_too_long():
    assert lines.complaints(ROOT) == []


@pytest.fixture
def tree(tmp_path):
    """A repository with one recipe of so many lines."""

    def make(name, text):
        folder = tmp_path / "recipes" / name
        folder.mkdir(parents=True)
        (folder / "recipe.py").write_text(text)
        (tmp_path / "keras_balance" / "data").mkdir(parents=True, exist_ok=True)
        return tmp_path

    return make


def test_lines_of_code_are_counted(tree):
    text = '"""Title."""\n\n# why\n' + "a = 1  # one\n" * 80
    assert lines.complaints(tree("short", text)) == []
    root = tree("long", text.replace("1", "2") + "b = (\n    3,\n)\n")
    assert lines.complaints(root) == [
        "recipes/long/recipe.py has 83 lines of code, 80 are allowed"
    ]


def test_ten_equal_lines_are_found(tree):
    same = "".join(f"a{i} = {i}\n" for i in range(10))
    tree("one", "import x\n" + same)
    (found,) = lines.complaints(tree("two", "b = 1\n\n" + same))
    assert "recipes/one/recipe.py and recipes/two/recipe.py share 10" in found
    tree("three", "c = 1\n" + same.replace("a5", "c5"))
    assert len(lines.complaints(tree("four", "d = 1\n"))) == 1


def test_a_data_set_that_is_too_long(tree):
    root = tree("short", "")
    for name in ("own", "decoding"):
        folder = root / "keras_balance" / "data" / name
        folder.mkdir(parents=True)
        (folder / "__init__.py").write_text("a = 1\n" * 100)
        (folder / "demo.py").write_text("b = 1\n" * 51)
    assert lines.complaints(root) == [
        "keras_balance/data/own has 151 lines of code, 150 are allowed"
    ]


def test_readmes_are_up_to_date():
    assert readmes.main(check=True) == 0


def test_an_old_readme_is_renewed():
    begin = "<!-- ours: written by tools/readmes.py -->"
    text = f"a\n{begin}\nold\n<!-- -->\nb\n"
    assert readmes.renewed(text, {"ours": "- new"}) == (
        f"a\n{begin}\n- new\n<!-- -->\nb\n"
    )
    with pytest.raises(ValueError, match="expected <!-- published: "):
        readmes.renewed(text, {"published": "x"})
