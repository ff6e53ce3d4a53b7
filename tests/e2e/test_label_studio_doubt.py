"""Label Studio hands out the most doubtful task first, by the scores that premask writes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from premask.labels.label_studio import prediction_score
from tests.e2e.label_studio_backend import access_to, pushed
from tests.e2e.label_studio_server import TOKEN, LabelStudio

Json = dict[str, Any]

CONFIG = """
<View>
  <Image name="image" value="$image"/>
  <BrushLabels name="brush" toName="image"><Label value="subject"/></BrushLabels>
</View>
"""
RECIPE = ("--recipe", "subject")


def predictions(label_studio: LabelStudio, tasks: list[int]) -> dict[int, Json]:
    return {task: label_studio.task(task)["predictions"][0] for task in tasks}


def test_uncertainty_sampling_hands_out_the_most_doubtful_task(
    label_studio: LabelStudio, photos: list[Path], u2netp_weights: object
) -> None:
    environment = access_to(label_studio.url, TOKEN)
    project = label_studio.new_project(CONFIG)
    tasks = label_studio.upload(project, photos)
    pushed(project, environment, *RECIPE, "--order-by-doubt")
    made = predictions(label_studio, tasks)
    version = made[tasks[0]]["model_version"]
    scores = {task: prediction["score"] for task, prediction in made.items()}
    assert scores == {task: prediction_score(made[task]["result"]) for task in tasks}
    assert len(set(scores.values())) == len(tasks)
    by_doubt = sorted(tasks, key=scores.__getitem__)
    assert label_studio.tasks_by(project, "predictions_score") == by_doubt
    assert label_studio.next_task(project)["id"] == by_doubt[0]
    label_studio.annotate(by_doubt[0], made[by_doubt[0]]["result"])
    assert label_studio.next_task(project)["id"] == by_doubt[1]

    others = {task: made[task] | {"score": None} for task in by_doubt[2:]}
    for prediction in others.values():
        label_studio.set_score(prediction["id"], None)
    before = label_studio.task(by_doubt[0])["annotations"]
    said = pushed(project, environment, *RECIPE, "--rescore")
    assert f"{len(others)} scores of '{version}' written, 2 were right already" in said
    assert "at random" not in said
    assert {task: one["score"] for task, one in predictions(label_studio, tasks).items()} == scores
    assert label_studio.task(by_doubt[0])["annotations"] == before
    assert [label_studio.task(task)["total_predictions"] for task in tasks] == [1] * len(tasks)

    # As it is where a backend is connected: its title is no version of any prediction.
    label_studio.set_project(project, model_version="")
    said = pushed(project, environment, *RECIPE, "--rescore")
    assert "0 scores of" in said
    assert "at random" in said
