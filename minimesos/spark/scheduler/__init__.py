"""Jobs into stages, stages into tasks, tasks onto executors; and the code that runs a task."""
