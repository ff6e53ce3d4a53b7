"""The page at /status: models, queues, errors, and mistakes that people often make."""

from __future__ import annotations

import html
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from ml_backend.server.activity import Snapshot
from ml_backend.server.connected_projects import ConnectedProject
from ml_backend.server.corrections import Place
from ml_backend.server.corrections_section import corrections_section
from ml_backend.server.training_report import HEADER as TRAINING_HEADER
from ml_backend.server.training_report import training_note, training_rows
from ml_backend.training.run_record import RunRecord
from premask.report.page_style import STYLE

USUAL_MISTAKES = (
    (
        "Label Studio refuses the address of this server, or no event arrives",
        "Label Studio 1.23 blocks private addresses, Docker's among them. Start it with "
        "LABEL_STUDIO_ML_BLOCK_LOCAL_IP=false and LABEL_STUDIO_SSRF_PROTECTION_ENABLED=false.",
    ),
    (
        "Images can't be fetched (401)",
        "Create a personal access token in Label Studio (Account & Settings), and start this "
        "server with LABEL_STUDIO_URL and LABEL_STUDIO_API_KEY. The token that Label Studio sends "
        "by itself is a legacy one, which it refuses unless they are enabled.",
    ),
    (
        "Images are on a private network",
        "Name their host in allowed_hosts (PREMASK_ALLOWED_HOSTS): other private addresses are "
        "never asked.",
    ),
    (
        "Clicks do nothing",
        "The smart tool must be chosen in the toolbar, and Auto-Annotation switched on at the "
        'bottom; the tag needs smart="true", and the connection "interactive preannotations". '
        "Errors of clicks are on this page: Label Studio shows none.",
    ),
    (
        "Retrieved predictions don't appear",
        "Label Studio says so whatever happened. What failed is on this page, and is tried again "
        "next time; what took too long goes on here, so retrieve again.",
    ),
    (
        "Nothing is found that has a label",
        "Names of a model that are not in the config are dropped; they are on this page. Say what "
        'a label is called: <Label value="Cat" model_phrases="cat, kitten"/>.',
    ),
)

PROJECTS = 100
"""How many are shown: those that Label Studio connected last."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """All that the page shows. Any text may hold markup, so the page escapes all of it."""

    settings: Iterable[tuple[str, str]]
    models: Iterable[tuple[str, str, str]]
    gauges: Mapping[str, float]
    projects: Mapping[str, ConnectedProject]
    corrections: Mapping[Place, Counter[str]]
    snapshot: Snapshot
    videos: Sequence[tuple[str, str]] = ()
    trainings: Sequence[RunRecord] = ()
    own_models: Sequence[tuple[str, str]] = ()


def status_page(status: Status) -> str:
    snapshot = status.snapshot
    parts = [
        "<h1>premask for Label Studio</h1>",
        _section("Models", ("model", "state", "weights in memory"), status.models),
        _section("Models of your own", ("model", "which weights serve"), status.own_models)
        if status.own_models
        else "",
        _section("Load", ("what", "now"), _numbers(status.gauges)),
        _section("Videos", ("what is followed", "how far"), status.videos),
        _section(
            "Training",
            TRAINING_HEADER,
            training_rows(status.trainings),
            training_note(status.trainings),
        ),
        _section(
            "Errors",
            ("when", "what", "why"),
            ((_clock(trouble.at), trouble.what, trouble.reason) for trouble in snapshot.troubles),
        ),
        _section("Usual mistakes", ("what you see", "what helps"), USUAL_MISTAKES),
        _section("Projects", ("project", "what it is told"), _projects(status.projects)),
        corrections_section(status.corrections),
        _section(
            "Found, but without a label in the project",
            ("name", "objects"),
            ((name, str(count)) for name, count in snapshot.dropped.items()),
        ),
        _section(
            "Last requests",
            ("when", "path", "status", "seconds"),
            (
                (_clock(request.at), request.path, str(request.status), f"{request.seconds:.3f}")
                for request in snapshot.recent
            ),
        ),
        _section("Settings", ("setting", "value"), status.settings),
    ]
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width"><title>premask</title>'
        f"<style>{STYLE}</style></head><body>{''.join(parts)}</body></html>"
    )


def _section(
    title: str, header: Sequence[str], rows: Iterable[Sequence[str]], note: str = ""
) -> str:
    body = "".join(f"<tr>{_cells(row)}</tr>" for row in rows)
    head = "".join(f"<th>{html.escape(name)}</th>" for name in header)
    table = f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    shown = f'<div class="scroll">{table}</div>{note}' if body else '<p class="quiet">None.</p>'
    return f"<section><h2>{html.escape(title)}</h2>{shown}</section>"


def _cells(row: Sequence[str]) -> str:
    return "".join(f'<td class="words">{html.escape(text)}</td>' for text in row)


def _projects(projects: Mapping[str, ConnectedProject]) -> Iterable[tuple[str, str]]:
    for number, project in list(projects.items())[-PROJECTS:]:
        yield number, project.unusable or project.version
        yield from (("", sentence) for sentence in project.report)


def _numbers(gauges: Mapping[str, float]) -> Iterable[tuple[str, str]]:
    for name, value in gauges.items():
        if name.endswith("_bytes"):
            yield name.removesuffix("_bytes").replace("_", " "), f"{value / 1e6:,.0f} MB"
        else:
            yield name.replace("_", " "), f"{value:,.0f}"


def _clock(at: float) -> str:
    return time.strftime("%d %b %H:%M:%S", time.localtime(at))
