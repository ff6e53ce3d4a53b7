"""A server of the Label Studio face with SAM 2.1 tiny at full size, in a process of its own."""

from __future__ import annotations

import http.client
import io
import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import skimage.data
import torch
from transformers import Sam2Config, Sam2ImageProcessor, Sam2Model, Sam2Processor

from premask.images import Image, read_image

WIDTH, HEIGHT = 1920, 1080
STARTING_SECONDS = 120

CONFIG = """<View><Image name="img" value="$image"/>
<BrushLabels name="brush" toName="img"><Label value="Cat"/><Label value="Dog"/></BrushLabels>
<KeyPointLabels name="kp" toName="img" smart="true"><Label value="Cat"/></KeyPointLabels></View>"""

Json = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A running server; `photo_url` is the address of an image that it may fetch."""

    port: int
    process: subprocess.Popen[bytes]
    model: Any
    photo: Image
    photo_url: str

    def post(self, body: bytes) -> bytes:
        """The answer to a call of /predict that can be answered."""
        status, answer = self.ask(body)
        assert status == 200, answer
        return answer

    def ask(self, body: bytes) -> tuple[int, bytes]:
        """Status and body, over a connection of its own, as Label Studio asks."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=600)
        with closing(connection):
            connection.request("POST", "/predict", body, {"Content-Type": "application/json"})
            response = connection.getresponse()
            return response.status, response.read()

    def click(self, x: float, y: float, **task: Any) -> bytes:
        """The body of a call for a click at this pixel; `task` is added to the task."""
        return click_body(self.photo_url, x, y, task)

    @property
    def resident_bytes(self) -> int:
        """The memory that it takes now."""
        pages = Path(f"/proc/{self.process.pid}/statm").read_text().split()[1]
        return int(pages) * os.sysconf("SC_PAGE_SIZE")


def click_body(url: str, x: float, y: float, task: Json) -> bytes:
    """What Label Studio 1.23 sends for one smart keypoint."""
    labels = {"labels": ["Cat"], "keypointlabels": ["Cat"]}
    point = {
        "original_width": WIDTH,
        "original_height": HEIGHT,
        "image_rotation": 0,
        "value": {"x": 100 * x / WIDTH, "y": 100 * y / HEIGHT, "width": 0.23, **labels},
        "is_positive": True,
        "id": "f3E_eYIfXi",
        "from_name": "kp",
        "to_name": "img",
        "type": "keypointlabels",
        "origin": "manual",
    }
    document = {
        "tasks": [{"id": 1, "data": {"image": url}, "annotations": [], "predictions": [], **task}],
        "project": "1.1795245992",
        "label_config": CONFIG,
        "params": {"login": None, "password": None, "context": {"result": [point]}},
    }
    return json.dumps(document).encode()


@contextmanager
def running_server() -> Iterator[Server]:
    """A server whose model is loaded; its network has its real size and random weights."""
    with tempfile.TemporaryDirectory() as name, _serving(_photo()) as url:
        folder, port = Path(name), _free_port()
        torch.manual_seed(0)
        model = smoothed(Sam2Model(Sam2Config()).eval())
        model.save_pretrained(folder / "sam2")
        Sam2Processor(Sam2ImageProcessor()).save_pretrained(folder / "sam2")
        process = _started(folder, port)
        try:
            _until_ready(port)
            photo = read_image(_photo(), "photo")
            yield Server(port=port, process=process, model=model, photo=photo, photo_url=url)
        finally:
            process.terminate()
            process.wait()


def smoothed(model: Any) -> Any:
    """The same network, at the same cost, whose random masks are areas instead of confetti."""
    decoder = model.mask_decoder
    with torch.no_grad():
        for enlarging in (decoder.upscale_conv1, decoder.upscale_conv2):
            enlarging.weight[:] = enlarging.weight.mean(dim=(2, 3), keepdim=True)
        for finest in (decoder.conv_s0, decoder.conv_s1):
            finest.weight.zero_()
    return model


def _photo() -> bytes:
    """A real photo at 1080p, as a JPEG."""
    file = io.BytesIO()
    rocket = PIL.Image.fromarray(np.asarray(skimage.data.rocket()))
    rocket.resize((WIDTH, HEIGHT)).save(file, "JPEG", quality=90)
    return file.getvalue()


def _started(folder: Path, port: int) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "ml_backend", "--port", str(port), "--recipe", "click"]
    settings = {
        "PREMASK_HOME": str(folder),
        "PREMASK_ALLOWED_HOSTS": "127.0.0.1",
        "PYTHONPATH": os.pathsep.join(sys.path),
    }
    return subprocess.Popen(
        [*command, "--set", f"outline.model=sam2:{folder / 'sam2'}"],
        env={**os.environ, **settings},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def _until_ready(port: int) -> None:
    """Wait until it answers and its model is there."""
    ends = time.monotonic() + STARTING_SECONDS
    while time.monotonic() < ends:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        with closing(connection), suppress(OSError):
            connection.request("GET", "/status")
            if b">ready<" in connection.getresponse().read():
                return
        time.sleep(0.2)
    raise TimeoutError("the server did not start")


@contextmanager
def _serving(data: bytes) -> Iterator[str]:
    """The address of a web server that has this image."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_OneFile, data))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/photo.jpg"
    finally:
        server.shutdown()
        server.server_close()


class _OneFile(BaseHTTPRequestHandler):
    def __init__(self, data: bytes, *arguments: Any) -> None:
        self._data = data
        super().__init__(*arguments)

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(self._data)))
        self.end_headers()
        self.wfile.write(self._data)

    def log_message(self, format: str, *arguments: object) -> None:
        pass


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
