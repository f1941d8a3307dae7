"""`ray.autoscaler`: there is none; see `localray.autoscaler.sdk`."""

from __future__ import annotations

from localray.absent.catalogue import missing_in

__getattr__ = missing_in(__name__)
