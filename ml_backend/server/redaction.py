"""Secrets are hidden in everything that is logged and shown, also in other libraries' messages."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable

HIDDEN = "(hidden)"

_CREDENTIALS = re.compile(
    r"(?<=\b[Tt]oken )(?=\S*\d)[\w.+/=-]{8,}"  # behind Authorization:
    r"|(?<=\b[Bb]earer )[\w.+/=-]{8,}"
    r"|(?<=\b[Bb]asic )(?=\S*(?:[\d=]|[a-z][A-Z]))[\w+/=]{8,}"
    r"|\beyJ[\w-]+\.[\w-]+\.[\w-]*"  # a JSON web token
    r"|(?<=://)[^/\s@]+:[^/\s@]+(?=@)"  # user:password@
    r"|(?<=[?&])(?i:x-amz-signature|x-amz-credential|signature|sig|token)=[^&\s]+"  # a signed URL
)


class Redaction(logging.Filter):
    """A log filter that hides the secrets of this server, and what looks like a credential."""

    def __init__(self, secrets: Iterable[str]) -> None:
        super().__init__()
        self._secrets = [secret for secret in secrets if secret]

    def hide(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, HIDDEN)
        return _CREDENTIALS.sub(HIDDEN, text)

    def filter(self, record: logging.LogRecord) -> bool:
        """Rewrite the record, its traceback too."""
        record.msg, record.args = self.hide(record.getMessage()), None
        if record.exc_info and not record.exc_text:
            record.exc_text = logging.Formatter().formatException(record.exc_info)
        if record.exc_text:
            record.exc_text = self.hide(record.exc_text)
        return True
