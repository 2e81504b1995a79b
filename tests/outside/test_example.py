"""A package of its own adds a method, a fusion and an encoder."""


def test_names_are_read_without_importing_the_package(run_with_example):
    out = run_with_example(
        "-c",
        "import sys\n"
        "from keras_balance import encoders, fusions, methods\n"
        "print(*[m.names()[-1] for m in (methods, fusions, encoders)])\n"
        "print(methods.get('damped').summary)\n"
        "print({'keras', 'balance_example'} & set(sys.modules))\n",
    )
    assert out.splitlines() == [
        "damped largest flat",
        "damps every encoder's gradient by one factor",
        "set()",
    ]


def test_the_method_is_listed_with_ours(run_with_example):
    out = run_with_example("-m", "keras_balance.cli", "methods", "--json")
    assert '"damped"' in out and '"ogm-ge"' in out


def test_they_train_together_and_are_saved(run_with_example, tmp_path):
    out = run_with_example(
        "-c",
        "import keras, sys\n"
        "import numpy as np\n"
        "import keras_balance as kb\n"
        "rng = np.random.default_rng(0)\n"
        "x = {n: rng.normal(size=(8, 3, 2)).astype('float32') for n in 'ab'}\n"
        "model = kb.methods.create('damped', damping=0.0, num_classes=2,\n"
        "    encoders={n: kb.encoders.get('flat')((3, 2)) for n in 'ab'},\n"
        "    fusion='largest', heads=True)\n"
        "model.compile(optimizer='sgd')\n"
        "model.fit(x, np.arange(8) % 2, verbose=0)\n"
        "model.save(sys.argv[1])\n"
        "again = keras.models.load_model(sys.argv[1])\n"
        "same = np.allclose(model.predict(x), again.predict(x))\n"
        "print('same', same, type(again).__name__, again.damping)\n",
        str(tmp_path / "m.keras"),
    )
    assert out.splitlines()[-1] == "same True Damped 0.0"
