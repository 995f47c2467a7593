"""The console that people look at a cluster with: static pages that read `/state`."""
