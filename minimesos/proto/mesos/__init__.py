"""Generated code for the messages of Apache Mesos."""
