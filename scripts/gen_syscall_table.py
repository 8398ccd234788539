"""Write synth/data/syscalls.json from libseccomp's src/syscalls.csv.

Usage: gen_syscall_table.py CSV LIBSECCOMP_VERSION [OUTPUT]

Names and numbers are facts of the kernel's ABI; the table is ours.  One name a line, so that a
new kernel is a small diff.
"""

from __future__ import annotations

import csv
import hashlib
import json
import re
import sys
from pathlib import Path

ARCHES = ("x86_64", "x86", "x32", "aarch64", "arm")
ABSENT = "PNR"  # libseccomp's word for "no such syscall here"
OUTPUT = Path(__file__).resolve().parent.parent / "synth" / "data" / "syscalls.json"


def read_table(text: str) -> tuple[str, dict[str, list[int | None]]]:
    """Return the kernel tag of the header and the numbers of every name, in ``ARCHES`` order."""
    rows = list(csv.reader(text.splitlines()))
    header = rows[0]
    tag = re.search(r"\((.+)\)", header[0])
    if tag is None:
        raise SystemExit("no kernel tag in the header: not libseccomp's syscalls.csv")
    columns = [header.index(arch) for arch in ARCHES]
    table: dict[str, list[int | None]] = {}
    for row in rows[1:]:
        table[row[0]] = [None if row[c] == ABSENT else int(row[c]) for c in columns]
    return tag.group(1), table


def check_unique(table: dict[str, list[int | None]]) -> None:
    """Stop when two names share a number: the reverse look-up would be a guess."""
    for position, arch in enumerate(ARCHES):
        seen: dict[int, str] = {}
        for name, numbers in table.items():
            number = numbers[position]
            if number is not None and number in seen:
                raise SystemExit(f"{arch}: {number} is both {seen[number]} and {name}")
            if number is not None:
                seen[number] = name


def render(source: dict[str, str], table: dict[str, list[int | None]]) -> str:
    """Return the document with one name a line."""
    lines = [f"    {json.dumps(name)}: {json.dumps(table[name])}" for name in sorted(table)]
    head = {
        "schema": "seccomp-synth/syscalls",
        "schema_version": "1.0.0",
        "source": source,
        "arches": list(ARCHES),
    }
    start = json.dumps(head, indent=2)[:-2]
    return start + ',\n  "names": {\n' + ",\n".join(lines) + "\n  }\n}\n"


def main(arguments: list[str]) -> None:
    """Read the table named on the command line and write ours."""
    if len(arguments) not in (2, 3):
        raise SystemExit(__doc__)
    content = Path(arguments[0]).read_bytes()
    kernel, table = read_table(content.decode("utf-8"))
    check_unique(table)
    source = {
        "project": "libseccomp",
        "version": arguments[1],
        "path": "src/syscalls.csv",
        "kernel": kernel,
        "sha256": hashlib.sha256(content).hexdigest(),
    }
    output = Path(arguments[2]) if len(arguments) > 2 else OUTPUT  # noqa: PLR2004 - the optional one
    output.write_text(render(source, table), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
