"""One device: a process that labels shard after shard, and what is done when it dies."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from premask.errors import PremaskError
from premask.plans.isolation import find_killers
from premask.plans.shard_board import ShardBoard
from premask.plans.shard_work import ShardOutcome
from premask.plans.worker_process import Message, WorkerDied, WorkerProcess
from premask.runs.progress import Progress

TRIES = 3
"""So often in a row a process may die, without having done one image, before that is believed."""


class DeviceLost(PremaskError):
    """On this device no process can live."""


class _Stopped(Exception):
    """All is to stop, so it does not matter what became of the process."""


@dataclass(slots=True, kw_only=True)
class DeviceLane:
    """Takes shards from the board until there are none, with one process at a time.

    `list_images` has the ids of a shard's images, in their order.
    """

    device: str
    board: ShardBoard
    start: Callable[[], WorkerProcess]
    list_images: Callable[[int], Sequence[str]]
    deaths: int = 0
    _process: WorkerProcess | None = field(default=None, init=False)
    _last_death: str = field(default="", init=False)

    def run(self) -> None:
        """Work in a thread of its own, and leave no process behind."""
        try:
            self.work()
        finally:
            self.close()

    def work(self) -> None:
        """Do what the board has; the process stays, for another board."""
        try:
            while (shard := self.board.take()) is not None:
                try:
                    self._label(shard)
                except DeviceLost as error:
                    self.board.lose(shard, error)
                    return
        except _Stopped:
            pass
        except Exception as error:
            self.board.fail(error)

    def stop(self) -> None:
        """Have the process end after the images under way."""
        if self._process is not None:
            self._process.stop()

    def kill(self) -> None:
        """End the process now."""
        if self._process is not None:
            self._process.kill()

    def close(self) -> None:
        """Wait until the process is gone, which has nothing to do any more."""
        if self._process is not None:
            self._process.close()

    def _label(self, shard: int) -> None:
        """Have the shard labeled, by as many processes as that takes."""
        trouble = self.board.trouble_with(shard)
        while not self._survives({"shard": shard, "given_up": trouble.given_up}):
            trouble.note_death(self.board.done_in(shard))
            if trouble.in_vain == TRIES:
                trouble.in_vain = 0
                trouble.given_up |= self._killers(shard)

    def _killers(self, shard: int) -> dict[str, str]:
        """The images that no process outlives, and why; the others are labeled meanwhile."""
        self.board.tell(f"Shard {shard}: looking for the image that ends every process.")
        images = self.list_images(shard)

        def survives(places: range) -> bool:
            only = [images[place] for place in places]
            return self._survives({"shard": shard, "only": only})

        places = find_killers(range(len(images)), survives, tries=TRIES)
        reason = (
            f"{TRIES} processes that looked at this image died, the last one so: "
            f"{self._last_death}. The other images are not affected; if it stays, please report it "
            "with this image."
        )
        return {images[place]: reason for place in places}

    def _survives(self, order: Message) -> bool:
        """Whether the process lived until it was done with the order."""
        shard = order["shard"]
        while True:
            try:
                outcome = self._outcome(order)
            except WorkerDied as death:
                self._bury(f"shard {shard}", death)
                return False
            if not outcome.busy:
                # Of a part, what it says holds for the part.
                if "only" not in order:
                    self.board.finish(outcome)
                return True
            if "only" not in order:
                self.board.put_back(shard)
                return True
            # Nothing was found out. Whoever is at the shard may die of the same image, or end it.
            self.board.pause()

    def _outcome(self, order: Message) -> ShardOutcome:
        for reply in self._living().ask(order):
            if reply["kind"] == "done":
                return ShardOutcome(**reply["outcome"])
            if reply["kind"] == "error":
                self._refused(reply)
            if "only" not in order:
                self.board.count(order["shard"], Progress(**reply["progress"]))
        raise WorkerDied("it said nothing more")

    def _living(self) -> WorkerProcess:
        """The process, which is started if there is none."""
        for _ in range(TRIES):
            if self.board.stopped:
                raise _Stopped
            if self._process is not None:
                return self._process
            self._process = self.start()
            try:
                for reply in self._process.replies():
                    if reply["kind"] == "error":
                        self._refused(reply)
                return self._process
            except WorkerDied as death:
                self._bury("its start", death)
        raise DeviceLost(
            f"On {self.device} {TRIES} processes died while they started, the last one so: "
            f"{self._last_death}. What was done is kept. Is there enough memory?"
        )

    def _refused(self, reply: Message) -> None:
        if reply["cancelled"] or self.board.stopped:
            raise _Stopped
        # It holds for all images and devices, such as a full disk.
        raise PremaskError(reply["error"])

    def _bury(self, what: str, death: WorkerDied) -> None:
        assert self._process is not None
        self._process.close()
        self._process, self._last_death = None, str(death)
        if self.board.stopped:
            raise _Stopped
        self.deaths += 1
        self.board.tell(
            f"{self.device}: the process at {what} died ({death}); another one goes on."
        )
