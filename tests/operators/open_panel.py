"""A panel without a browser: what the App would send to it, and what it asks the App to do."""

from __future__ import annotations

from typing import Any


class OpenPanel:
    """The panel as the App keeps it: its state, its data, and what it asked the App to do."""

    def __init__(self, panel: Any, dataset: Any) -> None:
        self.panel, self.dataset = panel, dataset
        self.state: dict[str, Any] = {}
        self.data: dict[str, Any] = {}
        self.asked: dict[str, Any] = {}

    def send(self, method: str, **params: Any) -> None:
        """Let something happen: the panel opens, or somebody clicks."""
        from fiftyone.operators.executor import ExecutionContext, Executor

        self.dataset.reload()
        params |= {"__method__": method, "panel_id": "panel", "panel_state": self.state}
        request = {"dataset_name": self.dataset.name, "params": params}
        context = ExecutionContext(request, executor=Executor(), operator_uri=self.panel.uri)
        self.panel.execute(context)
        self.asked = {asked.operator_uri: asked.params for asked in context.executor._requests}
        for asked in context.executor._requests:
            if asked.operator_uri == "patch_panel_data":
                self.data |= asked.params["data"]

    @property
    def shown(self) -> dict[str, Any]:
        """What the panel draws, by name."""
        properties: dict[str, Any] = self.asked["show_panel_output"]["output"]["type"]["properties"]
        return properties

    def view(self) -> Any:
        """The view that the panel has asked for."""
        from fiftyone.core.view import DatasetView

        return DatasetView._build(self.dataset, self.asked["set_view"]["view"])
