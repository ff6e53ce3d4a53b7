"""`python -m premask.plans.worker`: labels shard after shard on one device, as it is asked to."""

from __future__ import annotations

import json
import os
import queue
import sys
import threading
from dataclasses import asdict
from pathlib import Path
from typing import TextIO

from premask.errors import Cancelled, PremaskError
from premask.models.pool import ModelPool, make_pool
from premask.plans.plan import Plan
from premask.plans.presence import Presence
from premask.plans.shard_work import label_shard
from premask.plans.worker_process import Message, WorkerOptions
from premask.runs.progress import Progress


class _Worker:
    """Takes orders from standard input, and replies; a line of JSON each."""

    def __init__(self, plan: Plan, options: WorkerOptions, replies: TextIO) -> None:
        self._plan, self._options, self._replies = plan, options, replies
        self._orders: queue.SimpleQueue[Message] = queue.SimpleQueue()
        self._cancel = threading.Event()
        self._presence = Presence(folder=plan.folder, device=options.device)

    def work(self) -> None:
        """Go on until there are no more orders."""
        threading.Thread(target=self._listen, daemon=True).start()
        pool = self._pool()
        self._reply("ready")
        while not self._cancel.is_set():
            self._label(pool, self._orders.get())

    def complain(self, error: PremaskError) -> None:
        """Say why it can't go on."""
        self._reply("error", error=str(error), cancelled=isinstance(error, Cancelled))

    def _pool(self) -> ModelPool:
        options = self._options
        folder = options.store_folder
        pool = make_pool(
            device=options.device,
            store_folder=None if folder is None else Path(folder),
            store_bytes=options.store_bytes,
            compiled=options.compiled,
        )
        for model in self._plan.job.recipe.models:
            pool.load(model)
        return pool

    def _label(self, pool: ModelPool, order: Message) -> None:
        with self._presence.at(order["shard"]):
            outcome = label_shard(
                self._plan,
                order["shard"],
                pool,
                on_progress=self._tell,
                cancel=self._cancel,
                retry_failed=self._options.retry_failed,
                only=order.get("only"),
                given_up=order.get("given_up"),
            )
        self._reply("done", outcome=asdict(outcome))

    def _tell(self, progress: Progress) -> None:
        self._presence.note(progress)
        self._reply("progress", progress=asdict(progress))

    def _reply(self, kind: str, **told: object) -> None:
        self._replies.write(json.dumps({"kind": kind, **told}) + "\n")
        self._replies.flush()

    def _listen(self) -> None:
        for line in sys.stdin:
            order = json.loads(line)
            if order.get("stop"):
                self._cancel.set()
            else:
                self._orders.put(order)
        # Whoever wanted the results is done, or gone; what was labeled is in the journal.
        os._exit(0)


def main() -> None:
    """The first argument is the folder of the plan, the second one the options."""
    folder, options = sys.argv[1:]
    # What libraries print would be taken for a reply.
    replies = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    worker = _Worker(Plan.open(Path(folder)), WorkerOptions(**json.loads(options)), replies)
    try:
        worker.work()
    except PremaskError as error:
        worker.complain(error)
    # Python's own end would wait for the thread that listens.
    os._exit(0)


if __name__ == "__main__":
    main()
