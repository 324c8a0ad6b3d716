"""`python -m crn_hub` is the crn command."""

from crn_hub.cli import main

main()
