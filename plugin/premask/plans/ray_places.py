"""How many workers a Ray cluster has room for, and what each takes of its machine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

_MOST_CORES = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class RayPlaces:
    """Each worker takes so many `cores` and `gpus`; there is room for so many of them `now`."""

    cores: int
    gpus: int
    now: int

    @classmethod
    def on(
        cls, machines: Sequence[Mapping[str, float]], device: str, cores: int | None = None
    ) -> RayPlaces:
        """By what Ray says of its machines: a GPU each, if there are any or one is asked for.

        >>> RayPlaces.on([{"CPU": 8}, {"CPU": 16, "GPU": 8}], "auto")
        RayPlaces(cores=2, gpus=1, now=8)
        """
        with_gpu = [machine for machine in machines if machine.get("GPU", 0) >= 1]
        gpus = 0 if device == "cpu" or (device == "auto" and not with_gpu) else 1
        rooms = [
            (int(machine.get("CPU", 0)), int(machine.get("GPU", 0)) if gpus else 1)
            for machine in (with_gpu if gpus else machines)
        ]
        # With more than its machine has for each of its GPUs, some GPUs would have no worker.
        fair = [at_hand // devices for at_hand, devices in rooms]
        own = cores or max(1, min([_MOST_CORES, *fair]))
        now = sum(min(at_hand // own, devices if gpus else at_hand) for at_hand, devices in rooms)
        return cls(cores=own, gpus=gpus, now=now)

    @property
    def missing(self) -> str:
        """What to say where there is room for none."""
        needs = f"{self.cores} cores and a GPU" if self.gpus else f"{self.cores} cores"
        return (
            f"No machine of the cluster has {needs} for a worker. It is waited for one that has; "
            "Ctrl-C ends that. --device cpu or --cores 1 needs less."
        )
