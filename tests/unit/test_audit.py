"""Read real lines of a kernel's log, and hostile ones."""

from __future__ import annotations

import json
import random
import time
from pathlib import Path

import pytest

from synth.audit import MAX_KINDS, MAX_LINE, AuditLog, Kind

REAL = (Path(__file__).parents[1] / "data" / "audit-dmesg.txt").read_bytes().splitlines()
HEAD = "audit: type=1326 audit(1795534712.936:{}): auid=4294967295 uid=0 gid=0 ses=4294967295 "
BODY = 'pid=7 comm="{}" exe="/bin/x" sig=0 arch={} syscall={} compat=0 ip=0x1 code={}'


def line(
    number: int = 1, *, comm: str = "x", arch: str = "c000003e", call: object = 83, code: str = ""
) -> bytes:
    return (HEAD.format(number) + BODY.format(comm, arch, call, code or "0x7ffc0000")).encode()


def read(*lines: bytes) -> AuditLog:
    log = AuditLog()
    log.read(lines)
    return log


def only(log: AuditLog) -> Kind:
    ((kind, count),) = log.counts.items()
    assert count == 1
    return kind


def test_lines_of_a_real_kernel() -> None:
    """Captured with dmesg; the last was made by a program with an escape sequence in its name."""
    log = read(*REAL)
    assert log.counts == {
        Kind("KILL_THREAD", "x86", "getpid", "seccomp-synth-a", "/seccomp-synth-attempts"): 1,
        Kind("KILL_THREAD", "x32", "getpid", "seccomp-synth-a", "/seccomp-synth-attempts"): 1,
        Kind("LOG", "x86_64", "wait4", "sh", "/usr/bin/dash"): 5,
        Kind("LOG", "x86_64", "vfork", "sh", "/usr/bin/dash"): 3,
        Kind("LOG", "x86_64", "mkdir", "mkdir", "/usr/bin/mkdir"): 1,
        Kind("LOG", "x86_64", "rmdir", "rmdir", "/usr/bin/rmdir"): 1,
        Kind("LOG", "x86_64", "mkdir", 'e?[31m"z', '/tmp/e?[31m"z'): 1,
    }
    assert log.suppressed == 14
    assert (log.unreadable, log.dropped) == (0, 0)
    assert log.logged == log.records - 2


@pytest.mark.parametrize(
    "shown",
    [
        lambda text: b"Nov 24 10:00:00 host kernel: " + text,
        lambda text: text.replace(b"audit: type=1326 audit(", b"type=SECCOMP msg=audit("),
        lambda text: text + b"\x1dARCH=x86_64 SYSCALL=mkdir AUID=unset UID=root\n",
        lambda text: json.dumps({"_TRANSPORT": "kernel", "MESSAGE": text.decode()}).encode(),
        lambda text: json.dumps({"MESSAGE": list(text)}).encode(),
        lambda text: b'         "msg": ' + json.dumps(text.decode()).encode(),
    ],
    ids=["syslog", "audit.log", "enriched", "journal", "journal-bytes", "dmesg-json"],
)
def test_every_way_to_write_it(shown: object) -> None:
    assert callable(shown)
    assert only(read(shown(line()))) == Kind("LOG", "x86_64", "mkdir", "x", "/bin/x")


@pytest.mark.parametrize(
    ("arch", "number", "expected"),
    [
        ("c000003e", 0x40000000 | 83, ("x32", "mkdir")),
        ("40000003", 39, ("x86", "mkdir")),
        ("40000028", 39, ("arm", "mkdir")),
        ("c00000b7", 34, ("aarch64", "mkdirat")),
        ("c00000f3", 34, ("0xc00000f3", "#34")),
        ("c000003e", 4000, ("x86_64", "#4000")),
        ("c000003e", -1, ("x86_64", f"#{0xFFFFFFFF}")),
    ],
)
def test_calls_are_named_by_their_own_table(
    arch: str, number: int, expected: tuple[str, str]
) -> None:
    kind = only(read(line(arch=arch, call=number)))
    assert (kind.arch, kind.name) == expected


@pytest.mark.parametrize(
    "bad",
    [
        {"call": 4294967296},
        {"call": "99999999999999999999999"},
        {"call": -2},
        {"call": "0x53"},
        {"call": "٣"},
        {"arch": "c000003e0"},
        {"arch": "x86_64"},
        {"code": "0x7ffc00000"},
        {"code": "0x12340000"},
        {"code": "log"},
    ],
)
def test_impossible_values_are_counted_and_not_read(bad: dict[str, str]) -> None:
    log = read(line(**bad))  # type: ignore[arg-type]
    assert (log.records, log.unreadable) == (0, 1)


def test_a_record_in_two_logs_counts_once() -> None:
    assert read(line(1), b"x kernel: " + line(1), line(2)).records == 2


def test_what_the_kernel_did_not_write() -> None:
    log = read(
        b"[1.0] kauditd_printk_skb: 11304 callbacks suppressed",
        b"[2.0] net_ratelimit: 99 callbacks suppressed",
        b"audit: audit_lost=3 audit_rate_limit=0 audit_backlog_limit=64",
        b"audit: audit_lost=5 audit_rate_limit=0 audit_backlog_limit=64",
    )
    assert log.suppressed == 11304 + 5
    assert log.records == 0


def test_nothing_that_is_read_reaches_a_terminal() -> None:
    names = ["\x1b]0;x\x07", "\u202egnp", "\udcff", "a\x00b", "x" * 5000, ""]
    for name in names:
        raw = name.encode("utf-8", "surrogateescape")
        text = line(comm="@").replace(b'"@"', raw.hex().upper().encode())
        kind = only(read(text))
        assert kind.program.isascii()
        assert kind.program.isprintable()
        assert len(kind.program) <= 16
    quoted = only(read(line(comm="\x1b[31mred")))
    assert quoted.program.isprintable()


def test_a_huge_hostile_log_is_read_in_bounded_time_and_space() -> None:
    chance = random.Random(0)  # noqa: S311 - a test's choice of bytes
    log = AuditLog()
    began = time.monotonic()
    log.read([b"type=1326 " * (MAX_LINE // 10), b"audit(" * MAX_LINE, b"a=" * MAX_LINE * 4])
    log.read([b"type=1326 audit(1:1):" + b" a=b" * MAX_LINE, b"{" * MAX_LINE, b'{"MESSAGE":7}'])
    log.read(chance.randbytes(2000) for _ in range(200))
    log.read(line(i, comm=f"p{i}") for i in range(MAX_KINDS + 50))
    assert time.monotonic() - began < 20
    assert len(log.counts) == MAX_KINDS
    assert log.dropped == 50
