"""`python -m premask.cli`."""

import sys

from premask.cli import main

sys.exit(main())
