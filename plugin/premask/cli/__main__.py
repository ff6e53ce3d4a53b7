"""`python -m premask.cli`: the same as the command `premask`."""

import sys

from premask.cli import command

sys.exit(command())
