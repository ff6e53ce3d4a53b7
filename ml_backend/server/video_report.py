"""What of a video in a label config this server can serve, and what not, in plain words."""

from __future__ import annotations

from collections.abc import Iterator

from ml_backend.project.video_tags import VideoTag
from premask.recipes.recipe import Recipe


def video_report(video: VideoTag, recipe: Recipe) -> Iterator[str]:
    """Sentences for the person who connects a project."""
    if not video.is_written:
        yield (
            f"Video '{video.name}': nothing can be written for it. Add <VideoRectangle "
            f'name="box" toName="{video.name}" smart="true"/> and <Labels name="labels" '
            f'toName="{video.name}">, or <TimelineLabels>.'
        )
        return
    labels = ", ".join(label.name for label in video.all_labels)
    yield f"Video '{video.name}': boxes and times are written as {labels}."
    yield from _asking(video, recipe)
    yield from _whole_tasks(video, recipe)
    yield (
        f"Video '{video.name}' has the frameRate {video.rate}, by which Label Studio counts its "
        'frames. Clips of another rate are placed by time; with frameRate="$fps" each task can '
        "say its own."
    )


def _asking(video: VideoTag, recipe: Recipe) -> Iterator[str]:
    if not video.boxes:
        yield "Nobody can point at objects in it, as it has no <VideoRectangle>."
    elif video.smart:
        yield (
            f'What people draw with <VideoRectangle name="{video.boxes}"> is followed by '
            f"'{recipe.name}'. Label Studio asks for it when a label is chosen for a selected box. "
            "Label Studio shows no masks on videos: they are kept here, and pull writes them."
        )
    else:
        yield (
            f'Nobody can ask for a box to be followed: add smart="true" to <VideoRectangle '
            f'name="{video.boxes}">.'
        )


def _whole_tasks(video: VideoTag, recipe: Recipe) -> Iterator[str]:
    if recipe.needs_pointing:
        yield f"Whole tasks: videos are left to people, because '{recipe.name}' finds nothing."
    elif recipe.needs_words:
        phrases = (phrase for label in video.all_labels for phrase in label.phrases)
        words = ", ".join(dict.fromkeys(phrases))
        yield f"Whole tasks: '{recipe.name}' looks in videos for {words}."
    else:
        yield f"Whole tasks: '{recipe.name}' follows through videos what it finds itself."
