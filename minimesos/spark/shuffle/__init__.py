"""Shuffle through files: map-side combine, spill, fetch, merge. Runs in worker processes."""
