"""Take one derived capability at a time away from small workloads: does something break?

Runs where an engine is at DOCKER_HOST and the demo image is in it (``scripts/private-dockerd`` and
``scripts/demo-image``).  Records each workload, makes its capability list, runs it with exactly
that list, then without each capability in turn.  Prints a table in Markdown.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

IMAGE = "seccomp-synth-demo"
OWNED = "set -e; cd $(mktemp -d); chmod 777 .; "
RAW = "import socket; socket.socket(socket.AF_INET, socket.SOCK_RAW, 1).close()"
PORT = (
    "import socket; s = socket.socket(); "
    "s.bind((socket.inet_ntoa(bytes((127, 0, 0, 1))), 80)); s.close()"
)

WORKLOADS = {
    "chown": OWNED + "touch f; chown 1000:1000 f; [ $(stat -c %u f) = 1000 ]",
    "chmod of another's file": "set -e; chmod 640 /home/dev/project/README.md",
    "write to another's file": "set -e; install -o 1000 -m 600 /dev/null /tmp/f; echo x >>/tmp/f",
    "setgid bit kept": OWNED + "touch f; chgrp 1000 f; chmod 2755 f; [ $(stat -c %a f) = 2755 ]",
    "su": "su dev -s /bin/sh -c 'test $(id -u) = 1000'",
    "setpriv": "setpriv --reuid 1000 --regid 1000 --clear-groups true",
    "sudo": "sudo -u dev true",
    "kill another's process": "setpriv --reuid 1000 --clear-groups sleep 60 & sleep 1; kill $!",
    "mknod": OWNED + "mknod d c 1 3",
    "raw socket": f'python3 -c "{RAW}"',
    "port 80": f'python3 -c "{PORT}"',
    "chroot": "chroot / true",
    "setcap": OWNED
    + "cp /bin/true t; python3 -c 'import os, struct; "
    + 'os.setxattr("t", "security.capability", struct.pack("<5I", 0x2000001, 0x2000, 0, 0, 0))\'',
    "bounding set": "setpriv --bounding-set -net_raw true",
}
"""As root in the container."""


def tool(*arguments: object, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run our command line in ``folder``."""
    return subprocess.run(
        [sys.executable, "-m", "synth.cli.main", *(str(one) for one in arguments)],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def passes(script: str, capabilities: list[str], profile: Path) -> tuple[bool, str]:
    """Run a workload with exactly these capabilities; return whether it passed, and its words."""
    grants = [word for name in capabilities for word in ("--cap-add", name)]
    security = ["--security-opt", f"seccomp={profile}", "--network", "none"]
    done = subprocess.run(
        [
            "docker",
            "run",
            "--rm",
            "-u",
            "0",
            "--cap-drop",
            "ALL",
            *grants,
            *security,
            IMAGE,
            "sh",
            "-c",
            script,
        ],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    words = [line for line in done.stderr.splitlines() if line.strip()]
    return done.returncode == 0, (words[-1] if words else "").replace("|", "/")[-80:]


def main() -> None:
    """Print the table; exit with 1 if a workload does not pass with its derived list."""
    folder = Path(tempfile.mkdtemp(prefix="ablation."))
    failed = False
    print("| workload | derived | passes | without | what happens |\n|---|---|---|---|---|")
    for number, (name, script) in enumerate(WORKLOADS.items()):
        file = f"{number}.json"
        line = ("--user", "root", "--network", "none", "--name", f"w{number}")
        done = tool("record", IMAGE, *line, "-o", file, "--", "sh", "-c", script, folder=folder)
        if done.returncode:
            print(f"| {name} | not recorded | | | {done.stderr.splitlines()[-1]} |")
            failed = True
            continue
        made = tool("synth", file, "-o", f"out{number}", folder=folder)
        if made.returncode:
            sys.exit(made.stderr)
        out = folder / f"out{number}"
        document = json.loads((out / "capabilities.json").read_text())
        derived = [one["name"] for one in document["cap_add"]]
        good, words = passes(script, derived, out / "seccomp.json")
        failed |= not good
        shown = " ".join(one.removeprefix("CAP_") for one in derived) or "none"
        print(f"| {name} | {shown} | {'yes' if good else 'no: ' + words} | | |", flush=True)
        for left in derived:
            rest = [one for one in derived if one != left]
            still, words = passes(script, rest, out / "seccomp.json")
            effect = "nothing" if still else f"fails: {words}"
            print(f"| | | | {left.removeprefix('CAP_')} | {effect} |", flush=True)
    subprocess.run(["rm", "-rf", folder], check=True)
    sys.exit(failed)


if __name__ == "__main__":
    main()
