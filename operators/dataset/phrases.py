"""What to look for in each sample: what a person typed, a field of the sample, its classes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import fiftyone as fo

from premask.errors import InvalidSetting
from premask.prompts import Phrase, Prompts


@dataclass(frozen=True, slots=True, kw_only=True)
class Phrases:
    """Phrases for all samples, and the path of a field with more for each: texts, or lists."""

    texts: tuple[str, ...] = ()
    field: str = ""

    def __bool__(self) -> bool:
        return bool(self.texts or self.field)

    @property
    def shared(self) -> Prompts:
        """The phrases for all samples, as the pipeline takes them."""
        return _prompts(self.texts)

    def of(self, samples: Any) -> dict[str, Prompts]:
        """Collect the phrases of each sample, by its id, without repetitions."""
        ids = samples.values("id")
        own = samples.values(self.field) if self.field else [None] * len(ids)
        return {
            sample_id: _prompts((*self.texts, *self._texts(value)))
            for sample_id, value in zip(ids, own, strict=True)
        }

    def _texts(self, value: Any) -> Iterator[str]:
        if isinstance(value, str):
            yield value
        elif isinstance(value, (list, tuple)):
            for item in value:
                yield from self._texts(item)
        elif value is not None:
            raise InvalidSetting(
                f"The field '{self.field}' holds {type(value).__name__}, not phrases. Choose one "
                "with texts, such as 'caption', 'tags' or 'ground_truth.detections.label'."
            )


def classes_of(dataset: Any, field: str) -> tuple[str, ...]:
    """The classes that the dataset knows for a field, or for all."""
    return tuple(dataset.classes.get(field) or dataset.default_classes or ())


def text_fields(dataset: Any) -> list[str]:
    """List the fields that may hold phrases: texts, lists of them, and the classes of labels."""
    schema = dataset.get_field_schema(ftype=(fo.StringField, fo.ListField), flat=True)
    internal = ("filepath", "metadata.", "id")
    return [path for path in schema if not path.startswith(internal) and "premask" not in path]


def _prompts(texts: tuple[str, ...]) -> Prompts:
    wanted = dict.fromkeys(text.strip() for text in texts)
    return Prompts(phrases=tuple(Phrase(text=text) for text in wanted if text))
