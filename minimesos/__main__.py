"""`python -m minimesos` is the `minimesos` command."""

from minimesos.cli.main import main

main()
