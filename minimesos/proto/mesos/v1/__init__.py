"""Generated code for the Mesos v1 messages, one module per `.proto` file."""
