"""Every error that premask raises on purpose, in one tree.

PremaskError
├── UnknownName            a name that is in no registry; the message suggests the nearest one
│   ├── UnknownModel
│   ├── UnknownRecipe
│   ├── UnknownFormat
│   ├── UnknownSetting
│   └── UnknownCategory
├── InvalidSetting         a value of the wrong type or out of its bounds
├── InvalidRecipe          a recipe file that can't be read, or stages that don't fit together
├── MissingDependency      an optional package is not installed
├── MissingWeights         a model's weights are not on this machine
│   └── ImageWeights       weights that see single images only were asked to follow objects
├── UnsafeWeights          a file of weights that could run code when it is loaded
├── DownloadFailed         weights were asked for and did not arrive intact
├── UnsupportedPrompt      the model can't use these points, boxes, phrases or masks
├── UnreadableImage        the file is no image, is broken, or is too large
│   ├── UnreadableVideo    the clip is no video, or is broken, maybe only from some frame on
│   └── SourceChanged      the file is not the one any more that was planned
├── InvalidPlan            a folder that is no plan, or one of other settings, weights or code
├── InvalidMask            run lengths, bit streams or polygons that are broken, or another image's
├── InvalidRequest         a host sent something that is not in its protocol
├── UnusableLabelConfig    a Label Studio project for which nothing can be predicted
├── UnwritableOutput       the disk is full, the folder is read-only, ...
│   ├── UnwritableFile     one file can't be written, which says nothing of the others
│   └── FolderInUse        another process is writing there
├── ModelFailed            a model raised on this image
├── ClusterFailed          a cluster can't be reached, or its machines can't do the work
├── LabelStudioFailed      Label Studio can't be reached, or does not do what it was asked
└── Cancelled              the caller asked to stop
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class PremaskError(Exception):
    """What went wrong, why, and what to do about it."""


class UnknownName(PremaskError):
    """A name that is in no registry."""

    kind = "name"

    def __init__(self, name: str, known: Iterable[str], *, where: str = "") -> None:
        choices = sorted(known)
        near = difflib.get_close_matches(name, choices, n=1, cutoff=0.6)
        hint = f"Did you mean '{near[0]}'?" if near else f"There are: {', '.join(choices)}."
        super().__init__(f"{where}There is no {self.kind} '{name}'. {hint}")
        self.name = name


class UnknownModel(UnknownName):
    """`premask models` lists them."""

    kind = "model"


class UnknownRecipe(UnknownName):
    """`premask recipes` lists them."""

    kind = "recipe"


class UnknownFormat(UnknownName):
    """`premask annotate --help` lists them."""

    kind = "format"


class UnknownSetting(UnknownName):
    """`premask recipes show NAME` lists them."""

    kind = "setting"


class UnknownCategory(UnknownName):
    """The model's own classes, and names for several of them; see models/parts/categories.toml."""

    kind = "category"


class InvalidSetting(PremaskError):
    """A value of the wrong type or out of its bounds."""


class InvalidRecipe(PremaskError):
    """A recipe file that can't be read, or stages that don't fit together."""


class MissingDependency(PremaskError):
    """An optional package is not installed; the message has the command that installs it."""


class MissingWeights(PremaskError):
    """A model's weights are not on this machine; the message has the command that gets them."""


class ImageWeights(MissingWeights):
    """Weights that see single images only were asked to follow objects."""


class UnsafeWeights(PremaskError):
    """A file of weights that could run code when it is loaded, and was not loaded."""


class DownloadFailed(PremaskError):
    """Weights were asked for and did not arrive intact."""


class UnsupportedPrompt(PremaskError):
    """The model can't use these points, boxes, phrases or masks."""


class UnreadableImage(PremaskError):
    """The file is no image, is broken, or is too large."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"{name!r} can't be read: {reason}")
        self.name = name
        self.reason = reason


class UnreadableVideo(UnreadableImage):
    """The clip is no video, or is broken; `frame` is the first one that can't be read."""

    def __init__(self, name: str, reason: str, *, frame: int = 0) -> None:
        where = f" from frame {frame} on" if frame else ""
        super().__init__(name, f"{reason}{where}")
        self.frame = frame


class SourceChanged(UnreadableImage):
    """The file is not the one any more that was planned."""

    def __init__(self, name: str, difference: str) -> None:
        super().__init__(
            name, f"it was changed since it was planned: {difference}. Run `premask plan` again"
        )


class InvalidPlan(PremaskError):
    """A folder that is no plan, or one of other settings, weights or code."""


class InvalidMask(PremaskError):
    """Run lengths, bit streams or polygons that are broken, or another image's."""


class InvalidRequest(PremaskError):
    """A host sent something that is not in its protocol."""


class UnusableLabelConfig(PremaskError):
    """A Label Studio project for which nothing can be predicted; the message says what to add."""


class UnwritableOutput(PremaskError):
    """The disk is full, the folder is read-only, ..."""


class UnwritableFile(UnwritableOutput):
    """One file can't be written, which says nothing of the others: its name is too long, ..."""


class FolderInUse(UnwritableOutput):
    """Another process is writing there."""


class ModelFailed(PremaskError):
    """A model raised on this image; the cause is attached."""


class ClusterFailed(PremaskError):
    """A cluster can't be reached, or its machines can't do the work; what was done is kept."""


class LabelStudioFailed(PremaskError):
    """Label Studio can't be reached, or does not do what it was asked."""


class Cancelled(PremaskError):
    """The caller asked to stop."""
