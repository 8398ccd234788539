"""Name every expected failure, with the exit status and the page that explains it.

An expected failure is a ``SeccompSynthError``: one line that says what is wrong, where, and
what to do.  Anything else that reaches the top level is our bug (exit 70).  ``slug`` is the
heading of the error in ``docs/errors.md``; a test keeps both lists equal.
"""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """Exit statuses of every command; the table in README.md repeats them."""

    OK = 0
    ANSWER_IS_NO = 1
    USAGE = 2
    HOST_CANNOT = 3
    BAD_DATA = 4
    WORKLOAD_FAILED = 5
    BUG = 70
    INTERRUPTED = 130


class SeccompSynthError(Exception):
    """Report an expected failure: ``what`` went wrong, ``where`` it is, how to ``fix`` it.

    ``slug`` names the entry in docs/errors.md.  The texts may hold data from outside: they are
    escaped where they are printed, not here.
    """

    exit_code: ExitCode = ExitCode.BUG

    def __init__(self, what: str, *, slug: str, where: str = "", fix: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.fix = fix
        self.slug = slug

    def __str__(self) -> str:
        line = f"{self.where}: {self.what}" if self.where else self.what
        return f"{line}; {self.fix}" if self.fix else line


class UsageError(SeccompSynthError):
    """The command line or the project file asks for something that cannot be meant."""

    exit_code = ExitCode.USAGE


class HostError(SeccompSynthError):
    """This host cannot do it: no root, no BTF, no engine; ``fix`` is the command that mends it."""

    exit_code = ExitCode.HOST_CANNOT


class DataError(SeccompSynthError):
    """A file is malformed, incomplete, unhealthy or of a version we do not read."""

    exit_code = ExitCode.BAD_DATA


class WorkloadError(SeccompSynthError):
    """A workload failed while it was being recorded."""

    exit_code = ExitCode.WORKLOAD_FAILED


class Interrupted(SeccompSynthError):
    """The user or the system asked us to stop; what was recorded so far is saved."""

    exit_code = ExitCode.INTERRUPTED
