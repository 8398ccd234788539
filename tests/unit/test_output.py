"""What counts as the same output."""

from __future__ import annotations

import time

import pytest

from tracer.output import KEEP_BYTES, OutputRecorder, normalise


def digest(text: bytes) -> tuple[str, str]:
    recorder = OutputRecorder()
    recorder.write(text)
    result = recorder.digest()
    return result.sha256, result.shape


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (
            b"drwxr-xr-x 1 root root 4096 Nov 24 09:06 .",
            b"drwxr-xr-x 1 root root 4096 Nov 25 10:11 .",
        ),
        (b"3 passed in 0.12s", b"3 passed in 1.07s"),
        (b"2026-11-24T10:00:00Z start", b"2026-11-25T11:30:12Z start"),
        (b"Tue, 24 Nov 2026 10:00:00 GMT", b"Wed, 25 Nov 2026 11:00:00 GMT"),
        (b"<object at 0x7f0011223344>", b"<object at 0x7f5566778899>"),
        (b"wrote /tmp/tmpabc123/file", b"wrote /tmp/tmpxyz789/file"),
        (b"\x1b[32mok\x1b[0m", b"ok"),
        (b" 10%\r 50%\r100% done\n", b"100% done\n"),
        (b"one\r\ntwo\r\n", b"one\ntwo\n"),
        (b"[main 0a1b2c3d4e5f] first", b"[main f5e4d3c2b1a0] first"),
    ],
)
def test_what_differs_from_run_to_run_is_masked(first: bytes, second: bytes) -> None:
    assert normalise(first) == normalise(second)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (b"5 passed", b"4 passed"),
        (b"size 100", b"size 10"),
        (b"dr-xr-xr-x  99 root", b"dr-xr-xr-x 100 root"),
    ],
)
def test_numbers_are_content_but_not_shape(first: bytes, second: bytes) -> None:
    assert digest(first)[0] != digest(second)[0]
    assert digest(first)[1] == digest(second)[1]


@pytest.mark.parametrize(
    ("first", "second"),
    [(b"passed", b"failed"), (b"-rwxr-xr-x", b"-rw-r--r--"), (b"a\nb", b"b\na")],
)
def test_other_differences_count(first: bytes, second: bytes) -> None:
    assert digest(first)[1] != digest(second)[1]


def test_pieces_do_not_matter() -> None:
    whole, pieces = OutputRecorder(), OutputRecorder()
    whole.write(b"hello world")
    for byte in b"hello world":
        pieces.write(bytes([byte]))
    assert whole.digest() == pieces.digest()
    assert whole.digest().size == 11


@pytest.mark.parametrize("filler", [b"a", b"1", b"\r", b"1.", b"Mon ", b"/tmp/", b"\x1b[", b"0x"])
def test_hostile_output_is_bounded_in_time(filler: bytes) -> None:
    recorder = OutputRecorder()
    for _ in range(3):
        recorder.write(filler * (KEEP_BYTES // len(filler) // 2))
    began = time.process_time()
    recorder.digest()
    assert time.process_time() - began < 20
    assert len(recorder.tail) <= 4096 * 4
