"""Run workloads recorded on Debian 12 under their profiles elsewhere; see scripts/portability."""

from __future__ import annotations

import json
import subprocess
import sys
import tarfile
import tempfile
import uuid
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).parents[1]
DEMO, SID, MUSL = "seccomp-synth-demo", "seccomp-synth-sid", "seccomp-synth-musl"

SHELL = {
    "shell": "set -e; cd $(mktemp -d); mkdir -p a/b; echo text >a/b/f; cp -a a c; mv c d; ls -la d "
    ">/dev/null; chmod -R go-w d; ln -s d e; stat d >/dev/null; touch -d yesterday a/b/f; "
    "find . -type f | sort | xargs wc -l >/dev/null; head -c 99 /dev/zero | sha256sum >/dev/null; "
    "[ -x /bin/sh ]; df . >/dev/null; rm -r a d e",
    "tar": "set -e; cd $(mktemp -d); mkdir d; seq 9999 >d/f; tar -czf t.tgz d; rm -r d; "
    "tar -xzf t.tgz; tail -n 1 d/f >/dev/null",
    "git": "set -e; cd $(mktemp -d); git init -q a; cd a; git config user.name D; "
    "git config user.email d@example.invalid; echo x >f; git add f; git commit -qm first; "
    "git clone -q . ../b; cd ../b; git log --oneline >/dev/null; git gc -q",
    "python": "python3 -c 'import subprocess, sys, threading, tempfile, shutil, os; "
    "t = [threading.Thread(target=sum, args=([1],)) for _ in range(8)]; "
    "[x.start() for x in t]; [x.join() for x in t]; "
    'subprocess.run([sys.executable, "-c", "pass"], check=True); '
    "d = tempfile.mkdtemp(); shutil.copy(sys.executable, d); shutil.rmtree(d)'",
    "sqlite": "python3 -c 'import sqlite3, tempfile; "
    'c = sqlite3.connect(tempfile.mkdtemp() + "/db"); c.execute("create table t (n)"); '
    'c.executemany("insert into t values (?)", [(n,) for n in range(999)]); c.commit(); '
    'c.execute("vacuum")\'',
    "http": "set -e; cd /etc; python3 -m http.server --bind 127.0.0.1 8000 >/dev/null 2>&1 & "
    "server=$!; n=0; until sleep 0.2 && curl -s -o /dev/null http://127.0.0.1:8000/; do "
    "n=$((n + 1)); [ $n -lt 40 ]; done; "
    "curl -sf -o /dev/null http://127.0.0.1:8000/passwd; kill $server",
}

PLACES = (
    ("bookworm", DEMO, "runc"),
    ("bookworm", DEMO, "runc-sid"),
    ("bookworm", DEMO, "crun"),
    ("bookworm", DEMO, "crun-sid"),
    ("sid", SID, "runc"),
    ("sid", SID, "runc-sid"),
    ("musl", MUSL, "runc"),
    ("musl", MUSL, "crun-sid"),
)


def run(*command: object) -> str:
    """Run a command that must succeed and return what it printed."""
    words = [str(one) for one in command]
    done = subprocess.run(words, capture_output=True, text=True, timeout=240, check=False)
    if done.returncode:
        sys.exit(f"{words[:6]} failed:\n{done.stderr[-2000:]}")
    return done.stdout


def images(cache: Path, folder: Path) -> None:
    """Import sid and a root that holds nothing but a program linked with musl."""
    run("docker", "import", cache / "sid.tar", SID)
    source = ROOT / "tests/workloads/portable.c"
    run("gcc", "-O1", "-pthread", "-o", folder / "portable", source)
    run("musl-gcc", "-O1", "-static", "-o", folder / "portable-musl", source)
    with tarfile.open(folder / "musl.tar", "w") as archive:
        archive.add(folder / "portable-musl", "portable")
        temporary = tarfile.TarInfo("tmp")
        temporary.type, temporary.mode = tarfile.DIRTYPE, 0o1777
        archive.addfile(temporary)
    run("docker", "import", folder / "musl.tar", MUSL)


def record(folder: Path, name: str, command: list[str], mount: list[str]) -> None:
    """Record a workload and make its profiles."""
    tool = [sys.executable, "-m", "synth.cli.main"]
    file = folder / f"{name}.recording.json"
    run(*tool, "record", DEMO, "--user", "root", *mount, "-o", file, "--", *command)
    for tightness in ("exact", "portable"):
        where = folder / "made" / tightness / name
        run(*tool, "synth", file, "-o", where, "--tightness", tightness)


def attempt(folder: Path, place: tuple[str, str, str], profile: Path, command: list[str]) -> str:
    """Run ``command`` once under ``profile``; return "" or why it failed."""
    image, runtime = place[1:]
    mount = ["-v", f"{folder}/portable:/portable:ro"] if image != MUSL else []
    name = f"portability-{uuid.uuid4().hex[:8]}"
    options = ["--rm", "--name", name, "--runtime", runtime, "-u", "0", "-w", "/", *mount]
    security = ["--security-opt", f"seccomp={profile}"]
    try:
        done = subprocess.run(
            ["docker", "run", *options, *security, image, *command],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    except subprocess.TimeoutExpired:
        release(name)
        return "does not end"
    return "" if done.returncode == 0 else reason(done.stderr, done.returncode)


def release(name: str) -> None:
    """Remove a container whose runtime hangs: end what is in its cgroup first."""
    found = subprocess.run(
        ["docker", "ps", "-aq", "--no-trunc", "-f", f"name={name}"],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    ).stdout.strip()
    if found:
        for procs in Path("/sys/fs/cgroup").rglob(f"{found}/cgroup.procs"):
            for pid in procs.read_text().split():
                subprocess.run(["kill", "-9", pid], check=False)
        subprocess.run(["docker", "rm", "-f", found], capture_output=True, timeout=60, check=False)


def reason(text: str, status: int) -> str:
    """Return the last line that a person would quote."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    shown = [line for line in lines if "--help" not in line]
    return (shown[-1] if shown else f"exit status {status}").replace("|", "/")[-110:]


def main() -> None:
    """Print the table."""
    cache, rounds = Path(sys.argv[1]), int(sys.argv[2])
    folder = Path(tempfile.mkdtemp(prefix="portability."))
    images(cache, folder)
    commands = {name: ["sh", "-c", script] for name, script in SHELL.items()}
    for name, command in commands.items():
        record(folder, name, command, [])
    record(folder, "c", ["/portable"], ["--mount", f"{folder}/portable:/portable:ro"])
    commands["c"] = ["/portable"]
    print("| image | runtime | profile | passed | failures |\n|---|---|---|---|---|")
    for place in PLACES:
        for tightness in ("portable", "exact"):
            report(folder, place, tightness, commands, rounds)
    for name in (SID, MUSL):
        run("docker", "image", "rm", name)
    sizes = {
        tightness: [
            len(
                {
                    n
                    for r in json.loads(p.read_text())["syscalls"]
                    if "ALLOW" in r["action"]
                    for n in r["names"]
                }
            )
            for p in sorted((folder / "made" / tightness).glob("*/seccomp.json"))
        ]
        for tightness in ("exact", "portable")
    }
    print(f"\nsyscalls allowed: {sizes}")
    run("rm", "-rf", folder)


def report(
    folder: Path,
    place: tuple[str, str, str],
    tightness: str,
    commands: dict[str, list[str]],
    rounds: int,
) -> None:
    """Run every workload at one place and print one row."""
    failures: dict[str, Counter[str]] = {}
    total = passed = 0
    for name, command in commands.items():
        if place[1] == MUSL and name != "c":
            continue
        for _ in range(rounds if tightness == "portable" else min(rounds, 2)):
            why = attempt(
                folder, place, folder / "made" / tightness / name / "seccomp.json", command
            )
            total += 1
            passed += not why
            if why:
                failures.setdefault(why, Counter())[name] += 1
    shown = "; ".join(
        f"{', '.join(sorted(names))}: {why} ({sum(names.values())} times)"
        for why, names in sorted(failures.items())
    )
    print(f"| {place[0]} | {place[2]} | {tightness} | {passed} of {total} | {shown} |", flush=True)


if __name__ == "__main__":
    main()
