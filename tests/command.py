"""Type a command as a user would, in this process."""

from __future__ import annotations

import pytest

from synth.cli.main import main


def typed(*arguments: object) -> int:
    """Run the command line and return its exit status."""
    with pytest.raises(SystemExit) as stop:
        main([str(one) for one in arguments])
    assert isinstance(stop.value.code, int)
    return stop.value.code
