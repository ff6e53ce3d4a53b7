"""The files in docs/cluster start premask for each part of a plan, if schedulers start them."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

FOLDER = Path(__file__).parents[2] / "docs" / "cluster"


@pytest.fixture
def plan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A premask that notes how it is called, and ends as if some images had failed."""
    premask = tmp_path / "premask"
    premask.write_text(f'#!/bin/bash\necho "$@" >> "{tmp_path}/calls"\nexit ${{STATUS:-1}}\n')
    premask.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    return tmp_path / "a plan"


def run(command: list[str | Path], **variables: object) -> int:
    told = {name: str(value) for name, value in variables.items()}
    return subprocess.run(command, env={**os.environ, **told}, timeout=60).returncode


def parts(plan: Path, count: int, devices: str = "auto") -> list[str]:
    start = f"annotate --plan {plan} --shard"
    return [f"{start} {part} --of {count} --devices {devices}" for part in range(count)]


def calls(plan: Path) -> list[str]:
    return (plan.parent / "calls").read_text().splitlines()


def test_an_array_of_slurm(plan: Path) -> None:
    script: list[str | Path] = ["bash", FOLDER / "slurm.sh", plan]
    array: dict[str, object] = {"SLURM_ARRAY_TASK_MIN": 1, "SLURM_ARRAY_TASK_COUNT": 3}
    assert [run(script, SLURM_ARRAY_TASK_ID=job, **array) for job in (1, 2, 3)] == [0, 0, 0]
    assert calls(plan) == parts(plan, 3)
    assert run(script, SLURM_ARRAY_TASK_ID=1, STATUS=2, **array) == 2


def test_processes_of_torchrun(plan: Path) -> None:
    script: list[str | Path] = ["bash", FOLDER / "torchrun.sh", plan]
    assert [run(script, RANK=rank, WORLD_SIZE=2, LOCAL_RANK=0) for rank in range(2)] == [0, 0]
    assert calls(plan) == parts(plan, 2, "cuda:0")
    assert run(script, RANK=0, WORLD_SIZE=2, LOCAL_RANK=0, STATUS=130) == 130


def test_jobs_of_skypilot(plan: Path) -> None:
    task = yaml.safe_load((FOLDER / "skypilot.yaml").read_text())
    script: list[str | Path] = ["bash", "-c", task["run"]]
    assert [run(script, FIRST=job, STEP=3, PLAN=plan) for job in range(3)] == [0, 0, 0]
    assert calls(plan) == parts(plan, 3)
    assert set(task["envs"]) == {"FIRST", "STEP", "PLAN"}
    assert list(task["volumes"]) == ["/shared"]
    assert run(script, FIRST=0, STEP=3, PLAN=plan, STATUS=2) == 2


def test_pods_of_kubernetes(plan: Path) -> None:
    job: dict[str, Any] = yaml.safe_load((FOLDER / "kubernetes.yaml").read_text())
    assert (job["apiVersion"], job["kind"]) == ("batch/v1", "Job")
    spec, pod = job["spec"], job["spec"]["template"]["spec"]
    assert spec["completionMode"] == "Indexed"
    assert spec["parallelism"] <= spec["completions"]
    # A limit for each index wants the one, a policy for failures the other.
    assert spec["backoffLimitPerIndex"] >= 1
    assert pod["restartPolicy"] == "Never"
    (container,) = pod["containers"]
    mounts = {mount["name"] for mount in container["volumeMounts"]}
    assert mounts == {volume["name"] for volume in pod["volumes"]}
    rules = [rule for rule in spec["podFailurePolicy"]["rules"] if "onExitCodes" in rule]
    assert [rule["onExitCodes"]["containerName"] for rule in rules] == [container["name"]]
    command = [*container["command"], *container["args"]]
    pods = range(spec["completions"])
    assert {run(command, JOB_COMPLETION_INDEX=index) for index in pods} == {0}
    assert calls(plan) == parts(Path("/shared/plan"), spec["completions"])
    assert run(command, JOB_COMPLETION_INDEX=0, STATUS=2) == 2
