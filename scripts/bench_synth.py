#!/usr/bin/env python3
"""Time the pure commands as a user waits for them, start-up included.

Usage: scripts/bench_synth.py [--rounds N] [--recordings N] [--source DIR]
Prints, for each command, the median of all rounds and its ratio to ``python -c pass``.  The
rounds are interleaved, so that a busy moment hits every command alike.  ``--source`` runs the
code of another checkout with this Python.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from synth.baseline import load_baseline  # noqa: E402 - the path comes first
from synth.model import (  # noqa: E402
    ArgumentUse,
    CapabilityUse,
    Filter,
    Health,
    Host,
    OutputDigest,
    Recording,
    Run,
    Subject,
    SyscallUse,
    Workload,
)
from synth.profile import dump_profile  # noqa: E402
from synth.recording import dump_recording  # noqa: E402
from synth.syscalls import DOCKER_DEFAULT_CAPABILITIES, syscall_number  # noqa: E402

BASELINE = "docker-20.10-debian"
SYSCALLS = 150
PROGRAMS = ("sh", "python3", "git", "node", "make")


def recording(index: int) -> Recording:
    """Return one run of a workload with 150 syscalls, some families of sockets and one capability.

    Programs and times differ from recording to recording, as they do in life.
    """
    rules = load_baseline(BASELINE).profile.rules
    plain = sorted(
        {name for rule in rules if not rule.includes.capabilities for name in rule.names}
    )
    known = [name for name in plain if syscall_number("x86_64", name) is not None]
    needed = {"execve", "exit_group", "read", "write", "openat", "mmap", "socket"}
    names = sorted(needed | set(known[: SYSCALLS - len(needed)]))[:SYSCALLS]
    syscalls = tuple(
        SyscallUse(
            "x86_64",
            name,
            syscall_number("x86_64", name) or 0,
            "workload",
            PROGRAMS[(place + index) % len(PROGRAMS)],
            float(place * 3 + index % 7),
        )
        for place, name in enumerate(names)
    )
    empty = OutputDigest(0, "0" * 64, "0" * 64)
    sockets = ArgumentUse(
        "x86_64", "socket", ((0, 0xFFFFFFFF), (1, 0xF), (2, 0xFFFFFFFF)), ((1, 1, 0), (2, 1, 6))
    )
    capabilities = tuple(sorted(DOCKER_DEFAULT_CAPABILITIES))
    name = f"work-{index % 20}"
    run = Run(
        name,
        0,
        "ok",
        0,
        100.0 + index,
        empty,
        empty,
        syscalls,
        (sockets,),
        (),
        (CapabilityUse("CAP_CHOWN", "chown", "sh", 3),),
    )
    return Recording(
        Subject("image:1", "sha256:" + "0" * 64, capabilities=capabilities),
        Host("6.1.0", "x86_64", "docker", "20.10.24", "runc", "1.1.5", "v2"),
        Filter("default", BASELINE),
        ("raw_syscalls",),
        Health(),
        (Workload(name, ("make", "test")),),
        (run,),
    )


def commands(folder: Path, count: int) -> dict[str, list[str]]:
    """Write the inputs and return the command lines to time, by label."""
    tool = [sys.executable, "-m", "synth.cli.main"]
    profile = folder / "profile.json"
    profile.write_text(dump_profile(load_baseline("docker-25.0").profile))
    files = []
    for index in range(count):
        files.append(str(folder / f"{index:04}.recording.json"))
        Path(files[-1]).write_text(dump_recording(recording(index)))
    out = str(folder / "out")
    return {
        "python -c pass": [sys.executable, "-c", "pass"],
        "--help": [*tool, "--help"],
        "diff, two files": [*tool, "-q", "diff", str(profile), "--against", str(profile)],
        "diff, a default": [*tool, "-q", "diff", str(profile), "--against", "docker-25.0"],
        "synth, 1 recording": [*tool, "-q", "synth", files[0], "-o", out, "--force"],
        f"synth, {count} recordings": [*tool, "-q", "synth", *files, "-o", out, "--force"],
    }


def measure(lines: dict[str, list[str]], rounds: int, source: Path) -> dict[str, list[float]]:
    """Return the seconds of each round, by label."""
    environment = {**os.environ, "PYTHONPATH": str(source)}
    times: dict[str, list[float]] = {label: [] for label in lines}
    for _ in range(rounds):
        for label, line in lines.items():
            start = time.perf_counter()
            done = subprocess.run(
                line, env=environment, cwd=source, capture_output=True, check=False
            )
            times[label].append(time.perf_counter() - start)
            if done.returncode not in (0, 1) or done.stderr.startswith(b"Traceback"):
                raise SystemExit(f"{label}: {done.stderr.decode()[-400:]}")
    return times


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--recordings", type=int, default=1000)
    parser.add_argument("--source", type=Path, default=ROOT)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-synth-") as folder:
        lines = commands(Path(folder), options.recordings)
        times = measure(lines, options.rounds, options.source.resolve())
    least = statistics.median(times["python -c pass"])
    print(f"{'command':<26}{'median s':>10}{'ratio':>8}")
    for label, seconds in times.items():
        median = statistics.median(seconds)
        print(f"{label:<26}{median:>10.3f}{median / least:>8.1f}")


if __name__ == "__main__":
    main()
