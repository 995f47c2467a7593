"""HTTP faces of the master and the agent: operator endpoints and files."""
