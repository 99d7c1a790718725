"""The ministry's files → model; the only place that parses roster files."""
