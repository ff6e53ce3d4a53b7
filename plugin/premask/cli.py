"""The terminal face: `premask annotate`, `recipes`, `models`, `preview`, `doctor`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from premask.doctor import diagnosis
from premask.errors import PremaskError
from premask.flags import prompts_from_flags, settings_from_flags
from premask.inputs import collect_inputs
from premask.labels.formats import FORMATS, GROUPS, formats_of
from premask.models.catalog import Checkpoint, HubWeights, LocalWeights, checkpoint_of, known_models
from premask.models.pool import ModelPool
from premask.models.weights import download, located_weights
from premask.recipes import built_in_recipes, recipe_of
from premask.runs import Job, Outcome, run, start_over
from premask.terminal import ProgressLine, duration, printable, table
from premask.version import __version__

EXIT_CODES = """exit codes:
  0  all is done
  1  done, but some images failed; the summary names them, and the next run tries them again
  2  it could not start or go on; the message says why. What was done is kept
  130  interrupted; what was done is kept
"""
ROWS = 20


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; errors that premask knows are one line, without a traceback."""
    options = _parser().parse_args(arguments)
    try:
        command: Callable[[argparse.Namespace], int] = options.command
        return command(options)
    except PremaskError as error:
        print(f"premask: {printable(str(error))}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\npremask: interrupted. What was done is kept: run it again.", file=sys.stderr)
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="premask",
        description="Pre-annotate image datasets with masks and mattes.",
        epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"premask {__version__}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    _add_annotate(commands)
    _add_recipes(commands)
    _add_models(commands)
    preview = commands.add_parser("preview", help="make a contact sheet and a report of results")
    preview.add_argument("folders", nargs="+", type=Path, metavar="DIR")
    preview.set_defaults(command=_preview)
    doctor = commands.add_parser("doctor", help="show what is installed and what is missing")
    doctor.set_defaults(command=_doctor)
    return parser


def _add_annotate(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    annotate = commands.add_parser(
        "annotate",
        help="annotate images and write labels",
        epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = annotate.add_argument
    add("paths", nargs="+", metavar="PATH", help="images, or folders of images")
    add("--recipe", required=True, metavar="R", help="a built-in name, or your own FILE.toml")
    add("--out", required=True, type=Path, metavar="DIR", help="where the results go")
    add(
        "--format",
        default="coco",
        metavar="F,...",
        help=f"any of: {', '.join((*FORMATS, *GROUPS))}",
    )
    add("--set", action="append", default=[], metavar="STAGE.NAME=VALUE", dest="settings")
    add("--text", nargs="+", default=[], metavar="PHRASE", help="phrases to look for")
    add("--points", nargs="+", default=[], metavar="X,Y", help="points on the object, in pixels")
    add("--negative-points", nargs="+", default=[], metavar="X,Y", help="points beside it")
    add("--boxes", nargs="+", default=[], metavar="X0,Y0,X1,Y1", help="one box an object")
    add("--mask", type=Path, metavar="PNG", help="a rough mask: what is not black")
    add("--label", default="object", help="what to call what you point at (default: object)")
    add("--root", type=Path, metavar="DIR", help="image names are relative to this folder")
    add("--resume", action=argparse.BooleanOptionalAction, default=True, help="keep what is done")
    add("--batch-size", type=int, default=4, metavar="N", help="images for the model at a time")
    add("--device", default="cpu", help="cpu (default) or cuda")
    add("--download", action="store_true", help="get missing weights first")
    annotate.set_defaults(command=_annotate)


def _add_recipes(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    recipes = commands.add_parser("recipes", help="list recipes, or show all settings of one")
    recipes.set_defaults(command=_list_recipes)
    show = recipes.add_subparsers(metavar="show NAME").add_parser("show")
    show.add_argument("name")
    show.set_defaults(command=_show_recipe)


def _add_models(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    models = commands.add_parser("models", help="list models, show one, or download its weights")
    models.set_defaults(command=_list_models)
    actions = models.add_subparsers(metavar="show NAME | download NAME")
    show = actions.add_parser("show")
    show.add_argument("name")
    show.set_defaults(command=_show_model)
    fetch = actions.add_parser("download")
    fetch.add_argument("name")
    fetch.add_argument("--from", type=Path, dest="source", metavar="FILE", help="a wheel or a file")
    fetch.set_defaults(command=_download_model)


def _annotate(options: argparse.Namespace) -> int:
    recipe = recipe_of(options.recipe).with_settings(settings_from_flags(options.settings))
    job = Job(
        inputs=collect_inputs(options.paths, options.root),
        recipe=recipe,
        folder=options.out,
        formats=formats_of(options.format.split(",")),
        prompts=prompts_from_flags(
            text=options.text,
            points=options.points,
            negative_points=options.negative_points,
            boxes=options.boxes,
            mask=options.mask,
            label=options.label,
        ),
        batch_size=options.batch_size,
    )
    if options.download:
        for model in recipe.models:
            _fetch(checkpoint_of(model))
    if not options.resume:
        start_over(job.folder)
    line = ProgressLine()
    try:
        outcome = run(job, ModelPool(device=options.device), line)
    finally:
        line.end()
    print(_summary(outcome))
    return 1 if outcome.failures else 0


def _summary(outcome: Outcome) -> str:
    rows = [(name, str(count), f"{seconds:.2f}") for name, count, seconds in outcome.rows]
    lines = [table(rows[:ROWS], ("image", "annotations", "seconds"))]
    if len(rows) > ROWS:
        lines.append(f"... and {len(rows) - ROWS} more")
    lines += [
        f"failed: {printable(name)}: {printable(str(error))}"
        for name, error in outcome.failures.items()
    ]
    total = sum(count for _, count, _ in outcome.rows)
    lines.append(
        f"\n{total} annotations in {len(rows)} images "
        f"({outcome.annotated} annotated now in {duration(outcome.seconds)}, "
        f"{len(rows) - outcome.annotated} kept from before, {len(outcome.failures)} failed)"
    )
    return "\n".join([*lines, *map(str, outcome.written)])


def _list_recipes(options: argparse.Namespace) -> int:
    rows = ((each.name, ", ".join(each.models), each.help) for each in built_in_recipes().values())
    print(table(rows, ("recipe", "models", "what it does")))
    return 0


def _show_recipe(options: argparse.Namespace) -> int:
    recipe = recipe_of(options.name)
    rows = (
        (path, "off" if item.default is None else str(item.default), item.expects, item.help)
        for path, item in recipe.settings().items()
    )
    print(f"{recipe}\n\n{table(rows, ('setting', 'value', 'must be', 'what it does'))}")
    return 0


def _list_models(options: argparse.Namespace) -> int:
    rows = (
        (each.name, " ".join(each.stages), _licence(each), _size(each), _place(each), each.help)
        for each in known_models().values()
    )
    print(table(rows, ("model", "stages", "licence", "size", "weights", "what it does")))
    return 0


def _show_model(options: argparse.Namespace) -> int:
    each = checkpoint_of(options.name)
    rows = [
        ("what it does", each.help),
        ("family", each.family),
        ("stages", ", ".join(each.stages)),
        ("licence", _licence(each)),
        ("comes from", each.homepage),
        ("parameters", each.parameters or "none"),
        ("sees", each.input),
        ("size", _size(each)),
        ("weights", _place(each)),
        ("needs", f"pip install 'premask[{each.kind.extra}]'"),
    ]
    print(table(rows, (each.name, "")))
    return 0


def _download_model(options: argparse.Namespace) -> int:
    _fetch(checkpoint_of(options.name), options.source)
    return 0


def _fetch(checkpoint: Checkpoint, source: Path | None = None) -> None:
    """Say what comes, and under which licence, before it comes."""
    path = located_weights(checkpoint)
    if checkpoint.weights is None:
        print(f"{checkpoint.name} needs no weights.")
    elif path is not None:
        print(f"{checkpoint.name} is here already: {path}")
    else:
        print(f"Getting {checkpoint.name}: {_size(checkpoint)}, licence {_licence(checkpoint)} ...")
        print(f"{checkpoint.name} is here: {download(checkpoint, source)}")


def _licence(checkpoint: Checkpoint) -> str:
    weights = checkpoint.weights
    gated = isinstance(weights, HubWeights) and weights.gated
    return f"{checkpoint.license}{', gated' if gated else ''}"


def _size(checkpoint: Checkpoint) -> str:
    if checkpoint.weights is None or isinstance(checkpoint.weights, LocalWeights):
        return "-"
    known = checkpoint.weights.bytes
    return f"{known / 1e6:,.1f} MB" if known else "size not known"


def _place(checkpoint: Checkpoint) -> str:
    if checkpoint.weights is None:
        return "none needed"
    if located_weights(checkpoint):
        return "here"
    if isinstance(checkpoint.weights, LocalWeights):
        return f"missing at {checkpoint.weights.path}"
    return f"premask models download {checkpoint.name}"


def _preview(options: argparse.Namespace) -> int:
    # Drawing libraries are only loaded for drawing.
    from premask.preview import preview

    for path in preview(options.folders):
        print(path)
    return 0


def _doctor(options: argparse.Namespace) -> int:
    print(diagnosis())
    return 0


if __name__ == "__main__":
    sys.exit(main())
