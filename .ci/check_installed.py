"""Check an installed flowtime: both packages, the typing mark and the packaged data are there.

Run by the Python that it was installed for, with ``-I``, so that no checkout is on the path.
"""

from __future__ import annotations

import sys
from pathlib import Path

import flowtime

# Below the folder that packages are installed into.
WANTED = (
    "flowtime/py.typed",
    "flowtime/templates/catalog/web-frontend.yaml",
    "flowtime/templates/**/*.csv",
    "flowtime_kernels/*.py",
)


if __name__ == "__main__":
    installed = Path(flowtime.__file__).parent.parent
    missing = [pattern for pattern in WANTED if not any(installed.glob(pattern))]
    sys.exit(f"not installed: {', '.join(missing)}" if missing else 0)
