"""`ray.autoscaler`: there is none; see `localray.autoscaler.sdk`."""
