"""What operators have in common whose work hands out a result: export, import, evaluate, review."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import asdict
from typing import Any, ClassVar

import fiftyone.operators as foo
from fiftyone.operators import types

from ..dataset.chosen_images import images_of
from ..forms.outcomes import execution_options, said, with_failures
from ..forms.parameters import ParameterForm, read
from ..forms.target_form import add_target
from .declared_operator import DeclaredOperator


class ResultOperator(DeclaredOperator):
    """An operator whose work is one function, and whose result is a dataclass with `failures`.

    `target_action` heads the choice of samples, `heading` the outcome. Targets of more than `many`
    images take minutes, and go into the background where there is one.
    """

    target_action: ClassVar[str]
    heading: ClassVar[str]
    many: ClassVar[int]

    def samples(self, ctx: Any) -> Any:
        """What was chosen; images, unless the operator takes clips, too."""
        return images_of(ctx)

    @abstractmethod
    def add_fields(self, form: ParameterForm, ctx: Any, samples: Any) -> None:
        """Draw the parameters for these samples."""

    @abstractmethod
    def work(self, ctx: Any, samples: Any, parameters: Any) -> Any:
        """Do the work; the result is a dataclass, which FiftyOne gets as a dict."""

    @abstractmethod
    def summary(self, result: Any) -> str:
        """Say the result in a sentence; the operator adds which images failed."""

    def details(self, result: Any) -> str:
        """Add Markdown below the sentence and the failures."""
        return ""

    def show(self, ctx: Any, result: Any) -> None:
        """Make the App show what has changed; not called for what runs in the background."""
        ctx.ops.reload_dataset()

    def resolve_input(self, ctx: Any) -> types.Property:
        inputs = types.Object()
        if (samples := add_target(inputs, ctx, self.target_action, self.samples)) is not None:
            self.add_fields(self.form(inputs, ctx), ctx, samples)
        return types.Property(inputs, view=types.View(label=self.label))

    def resolve_execution_options(self, ctx: Any) -> foo.ExecutionOptions:
        return execution_options(ctx, self.many, self.samples)

    def execute(self, ctx: Any) -> dict[str, Any]:
        result = self.work(ctx, self.samples(ctx), read(self.parameters, ctx.params))
        if not ctx.delegated:
            self.show(ctx, result)
        summary = with_failures(self.summary(result), result.failures) + self.details(result)
        return asdict(result) | {"summary": summary}

    def resolve_output(self, ctx: Any) -> types.Property:
        return said(ctx, self.heading)
