"""The order in which Label Studio hands out tasks: doubtful ones first, if it is told to."""

from __future__ import annotations

from dataclasses import dataclass

from ml_backend.studio.client import LabelStudioClient

UNCERTAINTY = "Uncertainty sampling"


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskOrder:
    """The order of a project's tasks by the scores of the predictions of one model version.

    Label Studio 1.23 has its *uncertainty sampling* in the free edition, too, but there it can only
    be switched on by the API. It looks at the predictions of the version that the project has
    chosen, which is the title of a backend where one is connected; then tasks come at random.
    """

    client: LabelStudioClient
    project: int
    version: str
    by_doubt: bool = False

    def settle(self) -> list[str]:
        """Switch it on where that is wanted; says what is new, or what is amiss."""
        if self.by_doubt:
            settings = {"sampling": UNCERTAINTY, "model_version": self.version}
            self.client.change_project(self.project, settings)
            return [
                f"Label Studio now hands out the tasks first of which '{self.version}' is least "
                "sure. It shows people these predictions."
            ]
        project = self.client.project(self.project)
        chosen = project.get("model_version") or ""
        if project.get("sampling") != UNCERTAINTY or chosen == self.version:
            return []
        return [
            f"The project's uncertainty sampling looks for predictions of '{chosen}', not of "
            f"'{self.version}', and without any hands out tasks at random. Run push with "
            "--order-by-doubt, or choose the version under Settings, Annotation."
        ]
