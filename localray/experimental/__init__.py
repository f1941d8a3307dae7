"""`ray.experimental`: what Ray keeps apart because it may change."""
