"""How a driver gets executors: one backend per kind of master URL."""
