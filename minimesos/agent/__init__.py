"""The agent: runs tasks in containers on one machine, and reports what became of them."""
