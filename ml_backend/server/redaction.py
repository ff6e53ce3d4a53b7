"""Secrets are hidden in everything that is logged and shown, also in other libraries' messages.

Strangers choose the text that these expressions see. Each takes time in proportion to its length:
none can begin a match at many places of a run of letters that it then looks through to the end.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable

from premask.terminal.screen import printable

HIDDEN = "(hidden)"

LONGEST_TEXT = 20_000

_CREDENTIALS = re.compile(
    r"(?<=\b[Tt]oken )(?=\S*\d)[\w.+/=-]{8,}"  # behind Authorization:
    r"|(?<=\b[Bb]earer )[\w.+/=-]{8,}"
    r"|(?<=\b[Bb]asic )(?=\S*(?:[\d=]|[a-z][A-Z]))[\w+/=]{8,}"
    r"|(?<![\w-])(?=[\w-]*\beyJ)[\w-]+\.[\w-]+\.[\w-]*"  # a JSON web token
    r"|(?<=://)[^/\s@:]+:[^/\s@]+(?=@)"  # user:password@; a user's name has no colon
    r"|(?<=[?&])(?i:x-amz-signature|x-amz-credential|signature|sig|token)=[^&\s]+"  # a signed URL
)


class Redaction(logging.Filter):
    """A log filter that hides the secrets of this server, and what looks like a credential."""

    def __init__(self, secrets: Iterable[str]) -> None:
        super().__init__()
        self._secrets = [secret for secret in secrets if secret]

    def hide(self, text: str, longest: int = LONGEST_TEXT) -> str:
        """The text without secrets; of a text that is too long, the beginning and the end.

        An end of a secret that was cut through would not be recognized: they are hidden first.
        """
        for secret in self._secrets:
            text = text.replace(secret, HIDDEN)
        if len(text) > longest:
            text = f"{text[: longest // 2]} ... {text[-longest // 2 :]}"
        return _CREDENTIALS.sub(HIDDEN, text)

    def filter(self, record: logging.LogRecord) -> bool:
        """Rewrite the record, its traceback too, so that nobody can make up lines of the log."""
        record.msg, record.args = printable(self.hide(record.getMessage())), None
        if record.exc_info and not record.exc_text:
            record.exc_text = logging.Formatter().formatException(record.exc_info)
        if record.exc_text:
            # A line of its own could be mistaken for one with a time and a level.
            lines = self.hide(record.exc_text).split("\n")
            record.exc_text = "\n".join(f"    {printable(line)}" for line in lines)
        return True
