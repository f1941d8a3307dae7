"""`ray.experimental.state`: the older place of `ray.util.state`."""
