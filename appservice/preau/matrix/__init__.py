"""The homeserver behind one typed adapter; the only place that imports nio."""
