"""Resolve a profile into the OCI form that raw runtimes and Kubernetes read.

They know no gates (``includes``, ``excludes``) and no ``archMap``: a file that has them would be
read without, and every rule by capability would hold for everybody.
"""

from __future__ import annotations

from dataclasses import replace

from synth.model import Gate, Profile, Target
from synth.resolve import applies, resolve


def oci_form(profile: Profile, target: Target) -> Profile:
    """Return ``profile`` as it is in force for ``target``, without anything engine-specific.

    Refusals that equal the default stay: some readers have no errno for the default.
    """
    rules = tuple(
        replace(rule, includes=Gate(), excludes=Gate(), comment="")
        for rule in profile.rules
        if applies(rule, target)
    )
    architectures = resolve(profile, target).architectures
    return replace(profile, rules=rules, architectures=architectures, arch_map=())
