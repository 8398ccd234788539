"""Digest what a workload prints, so that two runs can be compared without keeping the text.

Three views: the bytes counted, the text with what differs from run to run masked (times,
durations, addresses, temporary names, process ids, container ids), and its shape with every
number masked and columns closed up.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence

from synth.model import OutputDigest

Masks = Sequence[re.Pattern[bytes]]

KEEP_BYTES = 4 * 1024 * 1024
"""More output than this is counted but not compared."""

TAIL_BYTES = 4096

_MASKS = (
    (re.compile(rb"\x1b\[[0-9;?]*[A-Za-z]"), b""),  # colours, cursor movements
    (
        re.compile(rb"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d([.,]\d+)?)?(Z| ?[+-]\d\d:?\d\d)?"),
        b"<time>",
    ),
    (re.compile(rb"\b(Mon|Tue|Wed|Thu|Fri|Sat|Sun),? +\w+ +\w+[ \d:]*(\d{4})?"), b"<time>"),
    (
        re.compile(rb"\b(Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) +\d+ +[\d:]{4,8}"),
        b"<time>",
    ),
    (re.compile(rb"\b\d{1,2}:\d\d(:\d\d)?(\.\d+)?\b"), b"<time>"),
    (re.compile(rb"\b\d+([.,]\d+)? ?(ns|us|ms|s|sec|secs|seconds?|minutes?|m)\b"), b"<duration>"),
    (re.compile(rb"0x[0-9a-fA-F]{6,}"), b"<address>"),
    (re.compile(rb"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b"), b"<uuid>"),
    (re.compile(rb"\b[0-9a-f]{12,64}\b"), b"<id>"),
    (re.compile(rb"(/tmp|/var/tmp)/[^\s'\":]+"), rb"\1/<temporary>"),
    (re.compile(rb"\b(pid|PID)[ =:]*\d+"), b"<pid>"),
    (re.compile(rb"\b(\d+[.,])?\d+ ?([kKMG]i?)?B(/s|ps)?\b"), b"<amount>"),
)
_NUMBER = re.compile(rb"\d+")
_SPACES = re.compile(rb"[ \t]+")


class OutputRecorder:
    """Collect one stream of a run, bounded."""

    def __init__(self) -> None:
        self._size = 0
        self._kept = bytearray()
        self._tail = bytearray()

    def write(self, data: bytes) -> None:
        """Take the next piece."""
        self._size += len(data)
        if len(self._kept) < KEEP_BYTES:
            self._kept += data[: KEEP_BYTES - len(self._kept)]
        self._tail = (self._tail + data)[-TAIL_BYTES:]

    @property
    def tail(self) -> str:
        """The last few kilobytes, for a person to read; escape before printing."""
        return bytes(self._tail).decode("utf-8", "backslashreplace")

    def digest(self, masks: Masks = ()) -> OutputDigest:
        """Return the digests of what was written; what matches one of ``masks`` does not count."""
        text = normalise(bytes(self._kept), masks)
        # columns are as wide as their widest number
        shape = _SPACES.sub(b" ", _NUMBER.sub(b"#", text))
        return OutputDigest(
            self._size, hashlib.sha256(text).hexdigest(), hashlib.sha256(shape).hexdigest()
        )


def normalise(text: bytes, masks: Masks = ()) -> bytes:
    """Return ``text`` with what differs between two equal runs masked.

    ``masks`` are the user's and come first: they are written for the text as it was printed.
    """
    for mask in masks:
        text = mask.sub(b"<masked>", text)
    # a progress meter draws over its line: what counts is what stood there last
    lines = [line.rstrip(b"\r").rpartition(b"\r")[2] for line in text.split(b"\n")]
    text = b"\n".join(lines)
    for pattern, replacement in _MASKS:
        text = pattern.sub(replacement, text)
    return text
