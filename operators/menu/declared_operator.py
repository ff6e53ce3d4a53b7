"""What all operators have in common: how they are listed, and called from Python."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any, ClassVar

import fiftyone as fo
import fiftyone.operators as foo

from ..forms.parameters import ParameterForm, plain, signature_of

ICON = "/operators/assets/icon.svg"
ICON_ON_LIGHT = "/operators/assets/icon_on_light.svg"

PREFIX = "premask: "
"""Before the name of every operator, so that they stand together in the App's list of all."""


class DeclaredOperator(foo.Operator):
    """An operator whose name, texts and parameters are declared as data.

    `parameters` is a dataclass of `parameter()` fields. Fields that are keyword-only in it are
    keyword-only in the call from Python.
    """

    own_name: ClassVar[str]
    label: ClassVar[str]
    description: ClassVar[str]
    parameters: ClassVar[type[Any]]
    is_dynamic: ClassVar[bool] = True
    is_generator: ClassVar[bool] = False
    works_on_samples: ClassVar[bool] = True
    can_run_in_background: ClassVar[bool] = True

    @property
    def config(self) -> foo.OperatorConfig:
        return foo.OperatorConfig(
            name=self.own_name,
            label=self.listed_label,
            description=self.description,
            icon=ICON,
            light_icon=ICON_ON_LIGHT,
            dark_icon=ICON,
            dynamic=self.is_dynamic,
            execute_as_generator=self.is_generator,
            allow_delegated_execution=self.can_run_in_background,
        )

    @property
    def listed_label(self) -> str:
        """The name under which people look for the operator."""
        return PREFIX + self.label.removeprefix(PREFIX)

    @property
    def __signature__(self) -> inspect.Signature:
        return signature_of(
            self.parameters,
            has_samples=self.works_on_samples,
            has_delegate=self.can_run_in_background,
        )

    def __call__(self, *positional: Any, **named: Any) -> Any:
        """Execute it from Python, on a dataset or a view, with its parameters by their names."""
        # A wrong or missing name is a TypeError, as it is for any other function.
        bound = self.__signature__.bind(*positional, **named)
        bound.apply_defaults()
        given = dict(bound.arguments)
        samples, delegate = given.pop("samples", None), given.pop("delegate", False)
        params = {name: plain(value) for name, value in given.items() if value is not None}
        return self.call(samples, params, delegate=delegate)

    def call(self, samples: Any, params: Mapping[str, Any], *, delegate: bool) -> Any:
        """Execute it as the App would; the result is that of `foo.execute_operator`."""
        context: dict[str, Any] = {"params": dict(params), "request_delegation": delegate}
        if samples is not None:
            context["dataset" if isinstance(samples, fo.Dataset) else "view"] = samples
        return foo.execute_operator(self.uri, context)

    def form(self, inputs: Any, ctx: Any) -> ParameterForm:
        """A form of the operator's parameters."""
        return ParameterForm(inputs, self.parameters, ctx.params)
