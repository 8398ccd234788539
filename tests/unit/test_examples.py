"""The worked examples in profiles/ belong together as they were committed."""

from __future__ import annotations

import json

import pytest
from ruamel.yaml import YAML

from scripts.examples import overview
from scripts.servers import EXAMPLES, PROFILES


def test_the_overview_is_that_of_the_examples() -> None:
    assert (PROFILES / "README.md").read_text() == overview()


@pytest.mark.parametrize("name", EXAMPLES)
def test_what_was_made_of_an_example_belongs_together(name: str) -> None:
    folder = PROFILES / name
    profile = (folder / "seccomp.json").read_text()
    capabilities = json.loads((folder / "capabilities.json").read_text())
    granted = [one["name"] for one in capabilities["cap_add"]]
    text = (folder / "compose.override.yaml").read_text().replace("!override", "")
    service = YAML(typ="safe").load(text)["services"][name]
    assert [f"CAP_{one}" for one in service["cap_add"]] == granted
    (option,) = service["security_opt"]
    assert option.startswith("seccomp:${SECCOMP_PROFILE_DIR:-.}/seccomp/")
    assert (folder / option.partition("/")[2]).read_text() == profile
    made = json.loads((folder / "summary.json").read_text())
    assert made["capabilities"] == granted
    assert (made["answer"], made["widened"]) == ("yes", 0)
    report = (folder / "report.html").read_text()
    provenance = json.loads((folder / "provenance.json").read_text())
    assert provenance["profile_sha256"] in report
    assert made["allowed"] == len(provenance["decisions"])
    assert f"{made['removed']} calls removed" in report
