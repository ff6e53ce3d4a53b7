"""python -m operators send | receive: FiftyOne's half of the way to Label Studio and back.

`premask send` and `premask receive` start it in a process of its own, with the plugin's folder as a
place to import from.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one half; errors that premask knows are one line, without a traceback."""
    from premask.errors import PremaskError
    from premask.terminal.screen import printable

    options = _parser().parse_args(arguments)
    try:
        return int(options.command(options))
    except PremaskError as error:
        print(f"premask: {printable(str(error))}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m operators", description=__doc__)
    commands = parser.add_subparsers(required=True)
    send = commands.add_parser("send")
    send.add_argument("file", type=Path)
    send.add_argument("--dataset", required=True)
    send.add_argument("--field", required=True)
    send.add_argument("--view")
    send.set_defaults(command=_send)
    receive = commands.add_parser("receive")
    receive.add_argument("file", type=Path)
    receive.add_argument("--dataset")
    receive.add_argument("--conflicts", default="neither")
    receive.set_defaults(command=_receive)
    return parser


def _send(options: argparse.Namespace) -> int:
    from .dataset.chosen_images import whole_images
    from .work.sending import Sending

    dataset = _dataset(options.dataset)
    samples = _view(dataset, options.view) if options.view else dataset
    sending = Sending(samples=whole_images(samples), dataset=dataset.name, field_name=options.field)
    sending.write(options.file)
    _say(f"failed: {path}: {reason}" for path, reason in sending.failures.items())
    _say([f"{sending.labels} labels of {sending.count} samples read from '{dataset.name}'"])
    return 1 if sending.failures else 0


def _receive(options: argparse.Namespace) -> int:
    from premask.exchange.records import read_returned

    from .work.receiving import Receiving

    status = 0
    # Which dataset a task is of stands in it; nearly always they are all of the same one.
    for name, said in groupby(read_returned(options.file), lambda sample: sample.dataset):
        receiving = Receiving(
            dataset=_dataset(options.dataset or name), preferred=options.conflicts
        )
        receiving.apply(said)
        _say(receiving.summary())
        status |= bool(receiving.conflicts or receiving.failures)
    return int(status)


def _dataset(name: str) -> Any:
    import fiftyone as fo

    from premask.errors import InvalidSetting

    if name not in fo.list_datasets():
        raise InvalidSetting(
            f"FiftyOne has no dataset '{name}'; it has: {', '.join(fo.list_datasets()) or 'none'}. "
            "If it was renamed, say its new name with --dataset."
        )
    return fo.load_dataset(name)


def _view(dataset: Any, name: str) -> Any:
    from premask.errors import InvalidSetting

    views = dataset.list_saved_views()
    if name not in views:
        raise InvalidSetting(
            f"'{dataset.name}' has no saved view '{name}'; it has: {', '.join(views) or 'none'}."
        )
    return dataset.load_saved_view(name)


def _say(lines: Iterable[str]) -> None:
    from premask.terminal.screen import printable

    for line in lines:
        print(printable(line), flush=True)


if __name__ == "__main__":
    sys.exit(main())
