"""Hypothesis profiles: `default` for every run of the tests, `thousands` for a long one (HYPOTHESIS_PROFILE)."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

_quiet = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]
settings.register_profile("nodeloom", deadline=None, max_examples=300, suppress_health_check=_quiet)
settings.register_profile("thousands", deadline=None, max_examples=5_000, suppress_health_check=_quiet)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "nodeloom"))
