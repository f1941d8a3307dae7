"""``python -m localray``: the same as the command `localray`."""

from __future__ import annotations

import sys

from localray.cli.main import main

sys.exit(main())
