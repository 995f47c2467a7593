"""What a framework and an executor talk to Mesos with: sessions, and the Mesos callback APIs."""
