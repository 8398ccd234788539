"""Count the BPF objects that are in the kernel."""

from __future__ import annotations

import ctypes

_NEXT_ID = {"programs": 11, "maps": 12, "links": 31}
_BPF = 321


def ids(kind: str) -> set[int]:
    """Return the ids of all ``programs``, ``maps`` or ``links`` (BPF_*_GET_NEXT_ID)."""
    libc = ctypes.CDLL(None, use_errno=True)
    found: set[int] = set()
    attributes = (ctypes.c_uint32 * 3)(0, 0, 0)
    size = ctypes.sizeof(attributes)
    while libc.syscall(_BPF, _NEXT_ID[kind], ctypes.byref(attributes), size) == 0:
        found.add(attributes[1])
        attributes[0] = attributes[1]
    return found


def counts() -> dict[str, int]:
    """Return how many there are of each kind."""
    return {kind: len(ids(kind)) for kind in _NEXT_ID}
