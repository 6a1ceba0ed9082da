"""`python -m tui` is the command `strikedesk`."""

from __future__ import annotations

import sys

from tui.cli import main

sys.exit(main())
