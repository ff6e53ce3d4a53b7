"""A hundred people click at once: does each get an answer, and does /health still answer?"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np

from benchmarks.label_studio_server import Server
from benchmarks.table import Row

PEOPLE = 100
PLACES = 10
HEALTH_SECONDS = 0.05

# In a process of its own, so that the clients' threads don't delay it.
_PROBE = """
import http.client, json, select, sys, time
seconds = []
print("ready", flush=True)
while not select.select([sys.stdin], [], [], 0.005)[0]:
    start = time.perf_counter()
    connection = http.client.HTTPConnection("127.0.0.1", int(sys.argv[1]), timeout=60)
    connection.request("GET", "/health")
    assert connection.getresponse().read() == b'{"status":"UP"}'
    connection.close()
    seconds.append(time.perf_counter() - start)
print(json.dumps(seconds))
"""


@dataclass(slots=True, kw_only=True)
class Watch:
    """How long /health took each time during the load, and the most memory that the server took."""

    health_seconds: list[float] = field(default_factory=list)
    most_bytes: int = 0


def load_rows(server: Server) -> Iterator[Row]:
    bodies = [server.click(200 + 150 * place, 500) for place in range(PLACES)]
    expected = [_shape(server.post(body)) for body in bodies]
    # Or else a click that got another one's answer would be right.
    assert len({str(answer) for answer in expected}) > PLACES // 2
    before = server.resident_bytes
    with _watching(server) as watch, ThreadPoolExecutor(PEOPLE) as people:
        answers = list(people.map(server.ask, bodies * (PEOPLE // PLACES)))
    right = sum(
        status == 200 and _shape(answer) == expected[number % PLACES]
        for number, (status, answer) in enumerate(answers)
    )
    refused = sum(status in (429, 503) for status, _ in answers)
    yield Row(
        what=f"Label Studio: {PEOPLE} clicks at once, right or told to come again / asked",
        ratio=(right + refused) / PEOPLE,
        goal=1,
        note=f"{right} right, {refused} told to come again",
    )
    p95, most = (float(np.quantile(watch.health_seconds, share)) for share in (0.95, 1))
    yield Row(
        what="Label Studio: 50 ms / what 95% of calls of /health took meanwhile",
        ratio=HEALTH_SECONDS / p95,
        goal=1,
        note=f"{len(watch.health_seconds)} calls: {1e3 * p95:.0f} ms, at most {1e3 * most:.0f} ms",
    )
    yield Row(
        what="Label Studio: the server's memory before / the most meanwhile",
        ratio=before / watch.most_bytes,
        goal=0.8,
        note=f"{before / 1e6:.0f} MB and {(watch.most_bytes - before) / 1e6:.0f} MB more",
    )


def _shape(answer: bytes) -> list[object]:
    """The part of an answer that may not depend on who else asks: its mask, or that it has none."""
    return [region["value"] for region in json.loads(answer)["results"][0]["result"]]


@contextmanager
def _watching(server: Server) -> Iterator[Watch]:
    watch, over = Watch(), threading.Event()
    command = [sys.executable, "-c", _PROBE, str(server.port)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as probe:
        assert probe.stdout is not None
        probe.stdout.readline()
        memory = threading.Thread(target=_watch_memory, args=(server, watch, over))
        memory.start()
        yield watch
        over.set()
        memory.join()
        seconds, _ = probe.communicate(b"\n")
        watch.health_seconds = json.loads(seconds)


def _watch_memory(server: Server, watch: Watch, over: threading.Event) -> None:
    while not over.is_set():
        watch.most_bytes = max(watch.most_bytes, server.resident_bytes)
        time.sleep(0.05)
