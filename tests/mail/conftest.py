"""Hypothesis without deadlines: how long an example takes is the machine's matter, not the rule's."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")
