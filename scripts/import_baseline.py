"""Write baselines/NAME.json from an engine's default profile: ``seccomp-synth baseline import``.

Usage, once per profile:
  import_baseline.py PROFILE.json --name docker-25.0 --order 4 --versions '>=25,<28.2' \\
      --project moby/moby --tag v25.0.5 --path profiles/seccomp/default.json
"""

from __future__ import annotations

import sys
from pathlib import Path

from synth.cli.main import main

FOLDER = Path(__file__).resolve().parent.parent / "baselines"

if __name__ == "__main__":
    name = sys.argv[sys.argv.index("--name") + 1] if "--name" in sys.argv[:-1] else "unnamed"
    main(["baseline", "import", *sys.argv[1:], "-o", str(FOLDER / f"{name}.json"), "--force"])
