"""Hypothesis without deadlines: how long an example takes is the machine's matter, not the rule's.

Nor is it a fault when examples are made slowly: the machine may be busy with something else.
"""

from __future__ import annotations

from hypothesis import HealthCheck, settings

settings.register_profile(
    "untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True
)
settings.load_profile("untimed")
