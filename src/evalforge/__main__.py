"""`python -m evalforge`, and the `evalforge` command."""

import sys

from evalforge.cli import run_command


def main() -> None:
    """Run the command line and exit with the documented code."""
    sys.exit(run_command(sys.argv[1:]))


if __name__ == "__main__":
    main()
