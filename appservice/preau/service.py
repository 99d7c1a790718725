"""The composition root of `preau serve`."""
