"""The command `minimesos`: one file per subcommand."""
