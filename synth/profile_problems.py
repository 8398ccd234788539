"""Describe one thing that is wrong with a profile: what, where, how to mend it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from synth.errors import DataError


@dataclass(frozen=True, slots=True)
class Problem:
    """A problem at ``path`` (``syscalls[0].args[1].op``), which ``lint`` reports as ``finding``.

    ``at`` is the path of the key to point at, if that is not ``path``.
    """

    what: str
    path: str
    fix: str
    finding: str
    slug: str = "bad-profile"
    at: str = ""
    severity: str = "error"

    def error(self, where: str) -> DataError:
        """Return the error that refuses the file of that name."""
        place = f"{where}: {self.path}" if self.path else where
        error = _BY_SLUG[self.slug](self.what, place, self.fix)
        error.path = self.at or self.path
        return error


class ProfileError(DataError):
    """A profile that cannot be meant; ``path`` is the place in the document."""

    path: str = ""


def _bad(what: str, where: str, fix: str) -> ProfileError:
    return ProfileError(what, where=where, slug="bad-profile", fix=fix)


def _podman(what: str, where: str, fix: str) -> ProfileError:
    return ProfileError(what, where=where, slug="podman-profile", fix=fix)


def _unknown(what: str, where: str, fix: str) -> ProfileError:
    return ProfileError(what, where=where, slug="unknown-syscall", fix=fix)


def _open(what: str, where: str, fix: str) -> ProfileError:
    return ProfileError(what, where=where, slug="profile-disables-seccomp", fix=fix)


def conflict(what: str, where: str, fix: str) -> ProfileError:
    """Return the error for rules that contradict each other."""
    return ProfileError(what, where=where, slug="conflicting-rules", fix=fix)


# one constant slug a call: the documentation's test reads them from the code
_BY_SLUG = {
    "bad-profile": _bad,
    "podman-profile": _podman,
    "unknown-syscall": _unknown,
    "profile-disables-seccomp": _open,
    "conflicting-rules": conflict,
}


def nearest(word: str, known: Sequence[str]) -> str | None:
    """Return the known word that differs by case or spaces, or else the nearest."""
    plain = word.strip()[:64].casefold()
    folded = {candidate.casefold(): candidate for candidate in known}
    for guess in (plain, f"cap_{plain}", f"scmp_arch_{plain}", f"scmp_act_{plain}"):
        if guess in folded:
            return folded[guess]
    near = get_close_matches(plain, folded, n=1)
    return folded[near[0]] if near else None


def show(value: object) -> str:
    """Return a foreign value short enough for a message."""
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."  # noqa: PLR2004 - a line's length
