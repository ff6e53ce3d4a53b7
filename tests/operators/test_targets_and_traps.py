"""What is chosen is what is labeled; and what FiftyOne does to those who don't know it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

Operator = Callable[[str], Any]
URI = "@premask/premask/label_samples"

STUB = """
import sys, time
import fiftyone as fo, fiftyone.operators as foo
import premask.runs.pipeline
from tests.operators.conftest import filled
def run_stages(images, prompts, recipe, pool):
    time.sleep(float(sys.argv[2]))
    return [(filled("thing", (3, 4, 60, 70), image.size_hw),) for image in images]
premask.runs.pipeline.run_stages = run_stages
"""
RUN = f"""
label_samples = foo.get_operator("{URI}")
package = type(label_samples).__module__.removesuffix(".menu.label_samples")
sys.modules[package + ".work.labeling"]._WRITE_SECONDS = 0
run = label_samples(fo.load_dataset(sys.argv[1])).result
"""

QUEUED = f"""
from fiftyone.operators.delegated import DelegatedOperationService
package = type(foo.get_operator("{URI}")).__module__.removesuffix(".menu.label_samples")
sys.modules[package + ".work.labeling"]._WRITE_SECONDS = 0
DelegatedOperationService().execute_queued_operations(limit=1)
"""


@pytest.fixture
def many(fo: Any, photos: list[Path], tmp_path: Path) -> Iterator[Any]:
    """A dataset of 24 photos under different names, which other processes can open."""
    dataset = fo.Dataset(persistent=True)
    paths = [tmp_path / f"{number:02}.png" for number in range(24)]
    for path in paths:
        path.symlink_to(photos[0])
    dataset.add_samples([fo.Sample(filepath=str(path)) for path in paths], progress=False)
    yield dataset
    dataset.delete()


Background = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def background(plugin: Any, many: Any) -> Iterator[Background]:
    """Start another process in which labeling a batch of images takes some seconds."""
    started = []

    def start(code: str, seconds: float, **environment: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-c", STUB + code, many.name, str(seconds)],
            env={**os.environ, "PYTHONPATH": "plugin:.", **environment},
            stdout=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        with process:  # closes its output, and waits for it
            process.kill()


def test_the_call_needs_no_parameters(plugin: Any, photo_dataset: Any, finder: Any) -> None:
    """A form may hide its fields, but the call's parameters are always the same ones."""
    plugin.execute_operator(URI, dataset=photo_dataset)
    assert photo_dataset.count("subject") == 3


def test_a_form_that_is_filled_in_wrongly_is_an_error(plugin: Any, photo_dataset: Any) -> None:
    for params, reason in (
        ({"recipe": "subjct"}, "Did you mean 'subject'"),
        ({"write": ["everything"]}, "one or more of detections, boxes"),
        ({"existing": "overwrite"}, "Invalid enum value"),
        ({"settings": {"refine.grwo": 3}}, "Did you mean 'grow'"),
        ({"label_field": "_x"}, "'_x' can't name a field"),
        ({"recipe": "nope"}, "There are: "),
    ):
        with pytest.raises(Exception, match=reason):
            plugin.execute_operator(URI, dataset=photo_dataset, params=params)


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("DATASET", {"astronaut", "chelsea", "coffee"}),
        ("CURRENT_VIEW", {"chelsea", "coffee"}),
        ("SELECTED_SAMPLES", {"coffee"}),
    ],
)
def test_the_target_is_what_was_chosen(
    plugin: Any, photo_dataset: Any, finder: Any, target: str, expected: set[str]
) -> None:
    plugin.execute_operator(
        URI,
        dataset=photo_dataset,
        view=photo_dataset[1:],
        selected=[photo_dataset.last().id],
        params={"view_target": target},
    )
    assert set(finder.looked_at) == expected


def test_nothing_at_all_is_no_error(fo: Any, operator: Operator, u2netp_weights: Path) -> None:
    dataset = fo.Dataset()
    run = operator("label_samples")(dataset).result
    dataset.delete()
    assert (run["state"], run["labeled"]) == ("finished", 0)


@pytest.mark.parametrize(("name", "media"), [("a.mp4", "video"), ("a.pcd", "point-cloud")])
def test_what_is_no_image_is_refused(fo: Any, operator: Operator, name: str, media: str) -> None:
    dataset = fo.Dataset()
    dataset.add_sample(fo.Sample(filepath=name))
    with pytest.raises(Exception, match=f"of the media type '{media}', but this works on images"):
        operator("label_samples")(dataset)
    dataset.delete()


@pytest.fixture
def groups(fo: Any, photos: list[Path]) -> Iterator[Any]:
    """Groups of two photos and a video."""
    dataset = fo.Dataset()
    dataset.add_group_field("group", default="left")
    for left, right in ((photos[0], photos[1]), (photos[1], photos[2])):
        group = fo.Group()
        paths = {"left": left, "right": right, "film": Path("a.mp4")}
        dataset.add_samples(
            [
                fo.Sample(filepath=str(path), group=group.element(name))
                for name, path in paths.items()
            ],
            progress=False,
        )
    yield dataset
    dataset.delete()


def test_of_groups_all_slices_with_images_are_labeled(
    groups: Any, operator: Operator, finder: Any
) -> None:
    operator("label_samples")(groups)
    assert sorted(finder.looked_at) == ["astronaut", "chelsea", "chelsea", "coffee"]


def test_of_a_view_of_groups_the_slice_that_is_shown_is_labeled(
    plugin: Any, groups: Any, finder: Any
) -> None:
    context = {"view": groups[:1], "params": {"view_target": "CURRENT_VIEW"}}
    plugin.execute_operator(URI, context, group_slice="right")
    assert finder.looked_at == ["chelsea"]
    with pytest.raises(Exception, match="The slice 'film' has the media type 'video'"):
        plugin.execute_operator(URI, context, group_slice="film")


def test_models_are_loaded_once(
    photo_dataset: Any, operator: Operator, part: Callable[[str], Any], u2netp_weights: Path
) -> None:
    """FiftyOne runs the plugin's root again at every call."""
    operator("label_samples")(photo_dataset[:1])
    root = part("work.pool").__name__.removesuffix(".work.pool")
    before, model = sys.modules[root], part("work.pool").model_pool().load("u2netp")
    operator("label_samples")(photo_dataset[1:])
    assert sys.modules[root] is not before
    assert part("work.pool").model_pool().load("u2netp") is model


def test_a_long_run_is_not_killed(background: Background) -> None:
    """FiftyOne ends what is executed immediately after some seconds (600), but not a generator."""
    process = background(RUN + 'print(run["labeled"])', 0.5, FIFTYONE_OPERATOR_TIMEOUT="1")
    assert process.communicate()[0].splitlines()[-1] == "24"


def test_what_was_done_before_a_kill_is_not_done_again(
    many: Any, operator: Operator, finder: Any, background: Background
) -> None:
    finder.boxes = {f"{number:02}": [("thing", (3, 4, 60, 70))] for number in range(24)}
    process = background(RUN, 1.0)
    wait_for(lambda: labeled_in(many), process)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    done = many.exists("subject").values("filepath")
    assert 0 < len(done) < 24
    run = operator("label_samples")(many).result
    assert run["reused"] == len(done)
    assert not {Path(path).stem for path in done} & set(finder.looked_at)
    assert many.count("subject.detections") == 24


def test_a_killed_run_in_the_background_leaves_a_person_s_labels_as_they_are(
    fo: Any, many: Any, operator: Operator, finder: Any, background: Background
) -> None:
    """The next run goes on where the killed one stopped."""
    first = many.first()
    first["subject"] = fo.Detections(detections=[fo.Detection(label="cat", reviewer="Ann")])
    first.save()
    before = many._sample_collection.find_one({"filepath": first.filepath})
    assert operator("label_samples")(many, delegate=True).delegated
    process = background(QUEUED, 1.0)
    wait_for(lambda: labeled_in(many) > 1, process)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    done = many.exists("subject.premask_run").values("filepath")
    assert 0 < len(done) < 23
    run = operator("label_samples")(many).result
    assert (run["left_alone"], run["reused"], run["labeled"]) == (1, len(done), 23 - len(done))
    assert not {Path(path).stem for path in done} & set(finder.looked_at)
    assert many._sample_collection.find_one({"filepath": first.filepath}) == before


def test_a_run_is_cancelled_from_another_process(
    many: Any, plugin: Any, background: Background
) -> None:
    process = background(RUN + 'print(run["state"])', 1.0)
    wait_for(lambda: labeled_in(many), process)
    params = {"run_id": many.list_runs(method="premask")[0]}
    plugin.execute_operator("@premask/premask/cancel_run", dataset=many, params=params)
    assert process.communicate()[0].splitlines()[-1] == "cancelled"
    assert 0 < labeled_in(many) < 24


def test_runs_under_way_are_named_as_people_know_them(
    photo_dataset: Any, operator: Operator, finder: Any, part: Callable[[str], Any], form: Any
) -> None:
    name = operator("label_samples")(photo_dataset).result["name"]
    assert "none" in form("cancel_run", photo_dataset)
    photo_dataset.reload()
    run = part("dataset.history").load(photo_dataset, name)
    run.state = "running"
    part("dataset.history").save(photo_dataset, run)
    (choice,) = form("cancel_run", photo_dataset)["run_id"]["view"]["choices"]
    assert choice["value"] == name
    assert choice["label"] == f"{run.title}: 0 annotations in 3 images so far"


def test_it_runs_in_the_background(
    photo_dataset: Any, operator: Operator, u2netp_weights: Path
) -> None:
    from fiftyone.operators.delegated import DelegatedOperationService

    photo_dataset.persistent = True
    scheduled = operator("label_samples")(photo_dataset, delegate=True)
    assert scheduled.delegated
    assert photo_dataset.list_runs() == []
    command = [str(Path(sys.executable).with_name("fiftyone")), "delegated", "launch"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    service, operation = DelegatedOperationService(), scheduled.result["id"]
    wait_for(lambda: service.get(operation).run_state in ("completed", "failed"), process)
    # Not SIGINT: what is started in the background of a shell is deaf to it.
    process.terminate()
    output = process.communicate()[0]
    finished = service.get(operation)
    assert finished.run_state == "completed", output
    assert finished.status.label.startswith("3/3 images")
    assert finished.status.progress == 1
    photo_dataset.reload()
    assert photo_dataset.count("subject.detections") == 3


def test_the_form_says_how_runs_can_be_scheduled(
    fo: Any, many: Any, operator: Operator, part: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(part("forms.label_form"), "LONG", 20)
    form, options = form_of(operator("label_samples"), many)
    notice = form.properties["waiting"].view
    assert "24 images" in notice.label
    assert "FIFTYONE_ALLOW_LEGACY_ORCHESTRATORS=true" in notice.description
    assert not options.default_choice_to_delegated
    monkeypatch.setattr(fo.config, "allow_legacy_orchestrators", True)
    form, options = form_of(operator("label_samples"), many)
    assert "waiting" not in form.properties
    assert options.default_choice_to_delegated
    assert not form_of(operator("label_samples"), many[:5])[1].default_choice_to_delegated


def form_of(operator: Any, samples: Any) -> tuple[Any, Any]:
    """The form and the ways to execute it, as the App asks for them."""
    from fiftyone.operators.executor import ExecutionContext, Executor, _parse_ctx

    request = {**_parse_ctx(view=samples.view()), "params": {}}
    context = ExecutionContext(request, executor=Executor(), operator_uri=operator.uri)
    form = operator.resolve_type(context, "inputs").type
    return form, operator.resolve_execution_options(context)


def labeled_in(dataset: Any) -> int:
    """How many samples have labels by now, whoever wrote them."""
    dataset.reload()
    return int(dataset.count("subject")) if dataset.has_field("subject") else 0


def wait_for(happened: Callable[[], Any], process: subprocess.Popen[str]) -> None:
    until = time.monotonic() + 60
    while not happened():
        assert time.monotonic() < until
        assert process.poll() is None
        time.sleep(0.1)
