"""Wanted − actual = plan → effects; events → repair."""
