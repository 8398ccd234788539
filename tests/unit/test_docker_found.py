"""What Docker's API says, in our terms."""

from __future__ import annotations

import pytest

from tracer.docker_found import pull_failure


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ("", ""),
        ('{"status": "Pulling from library/debian"}\r\n{"status": "done"}\r\n', ""),
        (
            '{"status": "x"}\n{"errorDetail": {"message": "no"}, "error": "no such host"}\n',
            "no such host",
        ),
        ('{"error": "denied"}\n{"status": "x"}\n', "denied"),
        ('{"error": ["odd"]}', "['odd']"),
        ("no JSON\n[1]\n" + "[" * 100_000, ""),
    ],
)
def test_a_pull_fails_after_the_status_that_says_it_succeeds(said: str, reason: str) -> None:
    assert pull_failure(said) == reason
