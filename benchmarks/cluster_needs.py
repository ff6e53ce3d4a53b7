"""What 1, 8 and 64 GPUs need to label ten million images: `python -m benchmarks.cluster_needs`.

The tables of docs/scale.md are made of it. All that goes in is here: put in your own prices.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from benchmarks.cluster import Faults, Work, host_ms, simulate

IMAGES = 10_000_000
GPUS = (1, 8, 64)

IMAGE_BYTES = 600_000
"""Of a JPEG of 1080p from a camera."""

LABEL_BYTES = 28_000
"""Of 20 masks at 1080p, as run lengths with their boxes and scores: what the bench's image has."""

BUSY = 0.9
"""The share of time in which a GPU computes; the rest waits for batches, shards and models."""

SPARE = 0.8
"""The share of their time in which cores may work, so that a GPU never waits for them."""

CORE_HOUR = 0.04
TERABYTE_MONTH = 23.0
MILLION_READS = 0.4
"""Dollars: round numbers of large clouds, in one region, where nothing is paid for traffic."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """A network's published milliseconds an image, where they are from, and a GPU's hourly price.

    Others measured on other GPUs, so rows of different networks are not to be compared.
    """

    name: str
    gpu: str
    gpu_ms: float
    gpu_hour: float
    source: str


NETWORKS = (
    Network(
        name="SAM 3",
        gpu="H200",
        gpu_ms=30,
        gpu_hour=3.5,
        source="30 ms for an image with more than 100 objects, as its authors announced it "
        "([quoted by Ultralytics](https://docs.ultralytics.com/models/sam-3))",
    ),
    Network(
        name="SAM 2.1 large on boxes",
        gpu="A100",
        gpu_ms=1000 / 24.2,
        gpu_hour=1.5,
        source="24.2 frames a second of a clip, not compiled; a frame costs more than an image "
        "([README](https://github.com/facebookresearch/sam2))",
    ),
    Network(
        name="RF-DETR-seg medium",
        gpu="T4",
        gpu_ms=5.9,
        gpu_hour=0.35,
        source="5.9 ms with TensorRT in halves, one image at a time "
        "([benchmarks](https://rfdetr.roboflow.com/latest/learn/benchmarks/)); "
        "torch takes longer",
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Needs:
    """What so many GPUs need. Rates are of all of them together."""

    days: float
    cores: int
    megabits_in: float
    megabits_out: float
    dollars: float


def needs(network: Network, gpus: int) -> Needs:
    """Days = images x seconds / busy / GPUs, and all else follows."""
    gpu_seconds = network.gpu_ms / 1000 / BUSY
    images_a_second = gpus / gpu_seconds
    hours = IMAGES / images_a_second / 3600
    cores = math.ceil(images_a_second * float(host_ms(2.07)) / 1000 / SPARE)
    return Needs(
        days=hours / 24,
        cores=cores,
        megabits_in=images_a_second * IMAGE_BYTES * 8 / 1e6,
        megabits_out=images_a_second * LABEL_BYTES * 8 / 1e6,
        dollars=hours * (gpus * network.gpu_hour + cores * CORE_HOUR),
    )


def needs_table() -> str:
    """A table in Markdown."""
    lines = [
        "| network | GPUs | time | CPU cores | images in | labels out | GPUs and cores |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for network in NETWORKS:
        for gpus in GPUS:
            needed = needs(network, gpus)
            lines.append(
                f"| {network.name} | {gpus} {network.gpu} | {_time(needed.days)} | {needed.cores} "
                f"| {needed.megabits_in:,.0f} Mbit/s | {needed.megabits_out:,.0f} Mbit/s "
                f"| ${needed.dollars:,.0f} |"
            )
    return "\n".join(lines)


def inputs_text() -> str:
    """What went in, and the storage, which is the same for any number of GPUs."""
    images, labels = IMAGES * IMAGE_BYTES / 1e12, IMAGES * LABEL_BYTES / 1e12
    month = (images + labels) * TERABYTE_MONTH
    sources = [
        f"- {network.name}: {network.source}; {network.gpu} at ${network.gpu_hour:.2f} an hour."
        for network in NETWORKS
    ]
    return "\n".join(
        [
            *sources,
            f"- An image of 1080p with 20 objects: {float(host_ms(2.07)):.1f} ms of a core "
            "(measured by `python -m benchmarks steps`); "
            f"{IMAGE_BYTES / 1e3:,.0f} kB in, {LABEL_BYTES / 1e3:,.0f} kB out.",
            f"- GPUs are busy {BUSY:.0%} of the time, cores at most {SPARE:.0%}; "
            f"a core costs ${CORE_HOUR:.2f} an hour.",
            f"- Storage: {images:.1f} TB of images and {labels:.2f} TB of labels, "
            f"${month:,.0f} a month at ${TERABYTE_MONTH:.0f} a TB; "
            f"${IMAGES / 1e6 * MILLION_READS:,.0f} to read each image once.",
        ]
    )


SPOT = Faults(every=2 * 3600, away=300, start=40)
LOST = replace(SPOT, keeps_journal=False)
UNREADABLE = replace(SPOT, unreadable=0.01)
SAM_3 = Work(images=IMAGES, gpus=8, gpu_ms=30 / BUSY)

WORLDS = (
    ("nothing", SAM_3, Faults()),
    ("sizes differ (sigma 0.8), one core a GPU", replace(SAM_3, skew=0.8, cores_a_gpu=1), Faults()),
    ("sizes differ, two cores a GPU", replace(SAM_3, skew=0.8), Faults()),
    ("each GPU is taken away every 2 hours", SAM_3, SPOT),
    ("the same, and journals are lost with it", SAM_3, LOST),
    ("the same, with shards of 16,384 images", replace(SAM_3, shard_size=2**14), LOST),
    ("taken away; 1 % can't be read", SAM_3, UNREADABLE),
    ("taken away; the network fails on 1 %", SAM_3, replace(SPOT, poison=0.01)),
    ("taken away; 1 of 100,000 kills", SAM_3, replace(SPOT, killers=1e-5)),
    (
        "all of it, 64 GPUs",
        replace(SAM_3, gpus=64, skew=0.8),
        replace(UNREADABLE, poison=0.01, killers=1e-5),
    ),
)
"""What may go wrong while SAM 3 labels ten million images, on eight GPUs unless it says so."""


def worlds_table() -> str:
    """How those end."""
    lines = [
        "| what goes wrong | GPUs taken away | done after | later than ideal | paid for nothing |",
        "| --- | --- | --- | --- | --- |",
    ]
    for what, work, faults in WORLDS:
        end = simulate(work, faults)
        lines.append(
            f"| {what} | {end.taken_away} | {_time(end.finish / 24)} | {end.late:.1%} "
            f"| {end.waste:.1%} |"
        )
    return "\n".join(lines)


def _time(days: float) -> str:
    return f"{days:.1f} days" if days >= 2 else f"{days * 24:.1f} h"


if __name__ == "__main__":
    print(inputs_text(), needs_table(), worlds_table(), sep="\n\n")
