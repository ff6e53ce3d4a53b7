"""Several shards after each other in this process, with one progress for all of them."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence

from premask.models.pool import ModelPool
from premask.plans.plan import Plan
from premask.plans.presence import Presence
from premask.plans.shard_work import ShardOutcome, label_shard
from premask.runs.progress import Progress, ProgressWatcher


def label_shards(
    plan: Plan,
    shards: Sequence[int],
    pool: ModelPool,
    *,
    on_progress: ProgressWatcher | None = None,
    cancel: threading.Event | None = None,
    retry_failed: bool = False,
) -> Iterator[ShardOutcome]:
    """Label them one by one; what each came to, as soon as it has."""
    total, started = sum(map(plan.planned, shards)), time.monotonic()
    done = failed = reused = 0

    presence = Presence(folder=plan.folder, device=pool.device)

    def tell(progress: Progress) -> None:
        presence.note(progress)
        if on_progress is not None:
            on_progress(
                Progress(
                    done=done + progress.done,
                    failed=failed + progress.failed,
                    reused=reused + progress.reused,
                    total=total,
                    seconds=time.monotonic() - started,
                )
            )

    for index in shards:
        with presence.at(index):
            outcome = label_shard(
                plan, index, pool, on_progress=tell, cancel=cancel, retry_failed=retry_failed
            )
        if outcome.busy:
            total -= plan.planned(index)
        done, failed = done + outcome.images, failed + outcome.failed
        reused += outcome.reused
        yield outcome
