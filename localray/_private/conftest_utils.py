"""`ray._private.conftest_utils`: fixtures for pytest."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from localray._private.ray_constants import RAY_OVERRIDE_DASHBOARD_URL


@pytest.fixture
def set_override_dashboard_url(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Iterator[None]:
    """Have the dashboard's address be what the test's parameter says."""
    url = getattr(request, "param", "https://external_dashboard_url")
    if url:
        monkeypatch.setenv(RAY_OVERRIDE_DASHBOARD_URL, url)
    yield
