"""`python -m tallystick`: the command line, where its extra is installed."""

import sys


def main() -> None:
    """Runs the command line; without the `cli` extra says how to get it, and exits with 2."""
    try:
        from tallystick.infrastructure.cli import commands
    except ModuleNotFoundError as error:
        if error.name not in ("typer", "rich"):
            raise
        sys.stderr.write('The command line needs Typer and Rich: pip install "tallystick[cli]"\n')
        sys.exit(2)
    commands.main()


if __name__ == "__main__":
    main()
