"""The errors of the state API, by Ray's names and places."""

from __future__ import annotations


class DataSourceUnavailable(Exception):
    """Ray's, for parts of a cluster that do not answer; here there is one part."""


class RayStateApiException(Exception):
    """A question about the session's state that cannot be answered as asked."""


class ServerUnavailable(RayStateApiException):
    """There is no session to ask."""
