"""Make worked examples anew from real runs, and prove them; started by ``scripts/examples``.

Each is recorded some times, synthesized, and validated in two worlds by turns; servers are then
restarted under their profile.  What comes of it is written beside the project file, and
``profiles/README.md`` from the summaries of all examples.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import docker

from scripts.servers import EXAMPLES, PROFILES, SERVERS, restart, started, works
from tracer.docker_engine import engine_url

RECORDINGS = 5
PRODUCTS = (
    "seccomp.json",
    "capabilities.json",
    "compose.override.yaml",
    "provenance.json",
    "report.html",
    "summary.json",
)
IMAGES = Path(__file__).with_name("example-image")


class Bench:
    """A folder in which one example is made."""

    def __init__(self, name: str, folder: Path) -> None:
        self.name, self.folder = name, folder
        self.config = PROFILES / name / "seccomp-synth.toml"

    def command(self, *arguments: object) -> None:
        """Run seccomp-synth in the folder; exits if it does not succeed."""
        words = [sys.executable, "-m", "synth.cli.main", *map(str, arguments)]
        done = subprocess.run(words, cwd=self.folder, capture_output=True, text=True, check=False)
        if done.returncode:
            output = f"{done.stdout}{done.stderr}"[-4000:]
            raise SystemExit(f"{self.name}: {' '.join(words[2:])}: {done.returncode}\n{output}")

    def record(self) -> str:
        """Record some times; return the name of what all recordings make together."""
        parts = [f"{number}.json" for number in range(1, RECORDINGS + 1)]
        for part in parts:
            self.command("record", "--config", self.config, "-o", part)
        self.command("combine", *parts, "-o", f"{self.name}.recording.json")
        return f"{self.name}.recording.json"

    def make(self, times: int) -> None:
        """Record, synthesize, validate and report."""
        recording, replay = self.record(), f"{self.name}.replay.json"
        self.command("synth", recording, "-o", ".", "--service", self.name)
        profile = ("--profile", "seccomp.json")
        config = ("--config", self.config)
        self.command("validate", recording, *profile, *config, "--repeat", times, "-o", replay)
        outputs = ("--output", "html=report.html", "--output", "json=report.json")
        self.command("report", recording, *profile, "--validation", replay, *outputs)


def summary(report: dict[str, Any], times: int, restarts: int) -> dict[str, Any]:
    """Return what the overview says of an example."""
    grades = report["grades"]
    kept, narrowed, removed, widened = (
        sum(one[what] for one in grades) for what in ("kept", "narrowed", "removed", "widened")
    )
    return {
        "answer": report["answer"],
        "baseline": report["baseline"],
        "allowed": kept + narrowed + widened,
        "removed": removed,
        "narrowed": narrowed,
        "widened": widened,
        "capabilities": [one["name"] for one in report["capabilities"] if one["granted"]],
        "workloads": len(report["workloads"]),
        "recordings": RECORDINGS,
        "validated": times,
        "restarts": restarts,
    }


def prove_restarts(client: docker.DockerClient, name: str, folder: Path, times: int) -> None:
    """Restart a server under its profile, so many times; it must work after each."""
    with started(client, name, folder) as box:
        works(box, name)
        for _ in range(times):
            restart(box, name)


def one(client: docker.DockerClient, name: str, times: int) -> None:
    """Make an example and put it in its place."""
    if name in SERVERS:
        subprocess.run([IMAGES, name], check=True, stdout=subprocess.DEVNULL)
    with tempfile.TemporaryDirectory() as text:
        folder = Path(text)
        Bench(name, folder).make(times)
        restarts = times if name in SERVERS else 0
        if restarts:
            prove_restarts(client, name, folder, restarts)
        report = json.loads((folder / "report.json").read_text())
        made = summary(report, times, restarts)
        (folder / "summary.json").write_text(json.dumps(made, indent=2) + "\n")
        put(folder, PROFILES / name)
    print(f"{name}: validated {times} of {times}, restarted {restarts} times", flush=True)


def put(folder: Path, place: Path) -> None:
    """Copy what was made; under ``seccomp/`` is the profile by the name that the override uses."""
    for product in PRODUCTS:
        shutil.copyfile(folder / product, place / product)
    shutil.rmtree(place / "seccomp", ignore_errors=True)
    shutil.copytree(folder / "seccomp", place / "seccomp")


def overview() -> str:
    """Return ``profiles/README.md``, made of the examples' summaries."""
    lines = [
        "# Worked examples",
        "",
        "Made by `sudo scripts/examples`, which records, synthesizes, validates and restarts them",
        "anew; do not edit the generated files. All images are Debian packages, made without a",
        "registry: `image/` (or `project/`) is the recipe. Open `report.html` in a browser: it is",
        "what a reviewer reads. `seccomp-synth.toml` says what was run and how it was compared.",
        "",
        "| example | what it is | allowed | removed | narrowed | capabilities | workloads "
        "| validated | restarted |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    summaries = {
        name: json.loads((PROFILES / name / "summary.json").read_text()) for name in EXAMPLES
    }
    for name, made in summaries.items():
        what = (PROFILES / name / "seccomp-synth.toml").read_text().splitlines()[0].lstrip("# ")
        granted = [one.removeprefix("CAP_") for one in made["capabilities"]]
        cells = (
            f"[{name}]({name}/seccomp-synth.toml) ([report]({name}/report.html))",
            what,
            *(str(made[key]) for key in ("allowed", "removed", "narrowed")),
            ", ".join(granted) or "none",
            str(made["workloads"]),
            f"{made['validated']} of {made['validated']}",
            f"{made['restarts']} times" if made["restarts"] else "not a server",
        )
        lines.append(f"| {' | '.join(cells)} |")
    baselines = ", ".join(sorted({made["baseline"] for made in summaries.values()}))
    lines += [
        "",
        f"*allowed*, *removed*, *narrowed*: system calls, compared with {baselines} for the",
        f"capabilities granted here. Each was recorded {RECORDINGS} times. *validated*: rounds in",
        "which each workload ran under the profile and under the default by turns, and exit",
        "status, output, named files and HTTP answers were compared. *restarted*: stopped under",
        "the profile as an engine stops it, started again, and loaded. What profiles cost at run",
        "time is in [measurements](../docs/measurements.md#what-a-profile-costs).",
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Make the examples that are named."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--prove", type=int, default=10, metavar="N", help="rounds and restarts")
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(EXAMPLES))
    options = parser.parse_args()
    strange = sorted(set(options.names) - set(EXAMPLES))
    if strange:
        sys.exit(f"there is no example {strange[0]}; choose from {', '.join(EXAMPLES)}")
    client = docker.DockerClient(engine_url(dict(os.environ)), timeout=120)
    for name in options.names or EXAMPLES:
        one(client, name, options.prove)
    if all((PROFILES / name / "summary.json").exists() for name in EXAMPLES):
        (PROFILES / "README.md").write_text(overview())


if __name__ == "__main__":
    main()
