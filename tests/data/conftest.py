import contextlib
import http.server
import importlib.util
import os
import shutil
import subprocess
import sys
import threading
import tomllib
from pathlib import Path

import av
import numpy as np
import pytest

from keras_balance import data as datasets
from keras_balance.data.preparation import download

cremad = datasets.get("cremad")
avdigits = datasets.get("avdigits")

REAL = "KERAS_BALANCE_TEST_DATA"


@pytest.fixture(scope="session")
def real():
    """The folder of real files; its tests are skipped where it is unset."""
    if not os.environ.get(REAL):
        pytest.skip(f"needs real media: {REAL} is not set")
    return Path(os.environ[REAL])


@pytest.fixture(scope="session")
def demo(tmp_path_factory):
    """A generated CREMA-D of 36 clips; tests do not write into it."""
    folder = tmp_path_factory.mktemp("cremad")
    cremad.write_demo(folder, clips=36, actors=3, size=(32, 48), workers=2)
    return folder


@pytest.fixture(scope="session")
def settings():
    return cremad.Settings(frame_size=(32, 48))


@pytest.fixture(scope="session")
def digits(tmp_path_factory):
    """A generated AV-digits; tests do not write into it."""
    folder = tmp_path_factory.mktemp("avdigits")
    avdigits.write_demo(folder, images=200, indices=11)
    return folder


@pytest.fixture
def copy(demo, tmp_path):
    """A copy of the generated CREMA-D that a test may break."""
    folder = tmp_path / "data"
    shutil.copytree(demo, folder)
    return folder


@pytest.fixture(scope="session")
def whole(demo, settings, tmp_path_factory):
    """The generated CREMA-D, prepared; tests do not change it."""
    cache = tmp_path_factory.mktemp("cache")
    return cache, cremad.prepare(demo, cache, settings, workers=2)


@pytest.fixture
def run():
    """Runs code in a process of its own, with arguments."""

    def call(code, *arguments):
        return subprocess.run(
            [sys.executable, "-c", code, *map(str, arguments)],
            capture_output=True,
            text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            timeout=120,
        )

    return call


@pytest.fixture
def make_video():
    """Writes an mpeg4 avi of `count` frames, with or without sound."""

    def make(path, count=60, rate=30, sound=False, size=(32, 48), video=True):
        with av.open(str(path), "w") as container:
            if video:
                stream = container.add_stream("mpeg4", rate=rate)
                stream.height, stream.width = size
                stream.pix_fmt = "yuv420p"
            if sound:
                audio = container.add_stream(
                    "pcm_s16le", rate=8000, layout="mono"
                )
            for k in range(count if video else 0):
                picture = np.full((*size, 3), 4 * k % 256, "uint8")
                frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
                container.mux(stream.encode(frame))
            if video:
                container.mux(stream.encode(None))
            if sound:
                time = np.arange(8000) / 8000
                wave = (9000 * np.sin(2 * np.pi * 440 * time)).astype("int16")
                frame = av.AudioFrame.from_ndarray(
                    wave[None], format="s16", layout="mono"
                )
                frame.rate = 8000
                container.mux(audio.encode(frame))
                container.mux(audio.encode(None))
        return path

    return make


class Handler(http.server.BaseHTTPRequestHandler):
    """Serves, cuts and refuses files as the server's state says."""

    def do_GET(self):
        state = self.server.state
        name = self.path.lstrip("/")
        span = self.headers.get("Range")
        state.requests.append((name, span))
        failures = state.failures.get(name, [])
        if failures and isinstance(failures[0], int) and failures[0] >= 400:
            self.send_error(failures.pop(0))
            return
        if name not in state.files:
            self.send_error(404)
            return
        data = state.files[name]
        start = 0
        if span and state.ranges:
            start = int(span.removeprefix("bytes=").removesuffix("-"))
            if start >= len(data):
                self.send_error(416)
                return
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(data) - start))
        self.end_headers()
        data = data[start:]
        if failures:  # ("cut", bytes): the connection breaks
            data = data[: failures.pop(0)[1]]
        self.wfile.write(data)

    def log_message(self, *arguments):
        pass


class State:
    """What a test server has, how it fails and what it was asked."""

    def __init__(self):
        self.files = {}
        self.failures = {}
        self.requests = []
        self.ranges = True

    def names(self):
        return [name for name, _ in self.requests]


@contextlib.contextmanager
def serve_locally():
    """Yields `(state, url)` of a server on 127.0.0.1."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.state = State()
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield server.state, f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def serve():
    """The context manager that runs a local HTTP server."""
    return serve_locally


@pytest.fixture
def server(monkeypatch, serve):
    """`(state, url)` of a local server that is asked again at once."""
    monkeypatch.setattr(download, "PAUSE", 0.01)
    monkeypatch.setattr(download, "TIMEOUT", 5)
    with serve() as (state, url):
        yield state, url


@pytest.fixture(scope="session")
def tones():
    """The data set of the example package: what one has at the least."""
    place = Path(__file__).parents[1] / "outside/example/balance_example"
    spec = importlib.util.spec_from_file_location("tones", place / "tones.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules["tones"] = module
    spec.loader.exec_module(module)
    facts = tomllib.loads((place / "datasets.toml").read_text())["tones"]
    del facts["module"], facts["class"]
    return module.Tones(datasets.Facts("tones", **facts))


@pytest.fixture
def tones_folder(tones, tmp_path):
    """Its demo set; tests may break it."""
    tones.write_demo(tmp_path / "tones")
    return tmp_path / "tones"
