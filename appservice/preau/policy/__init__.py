"""Decisions as pure functions of model values; no clock, no I/O, nothing but the standard library."""
