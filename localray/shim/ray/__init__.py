"""What ``import ray`` finds in a process whose parent has taken the name for localray: it takes it here too.

The import system returns what stands in `sys.modules` when this has run, which is `localray`.
"""

from __future__ import annotations

import sys
from pathlib import Path

try:
    from localray.alias import install
except ModuleNotFoundError:
    # The parent has localray from a folder that this interpreter does not look into.
    sys.path.append(str(Path(__file__).resolve().parents[3]))
    from localray.alias import install

install()
