"""`python -m tui` is `opencode-viewer`: both begin here, with as little as can be before ctrl+c is taken care of."""

from tui.importing import Importing


def main() -> int:
    """Runs the program and returns its exit status."""
    with Importing():
        from tui import cli
    return cli.main()


if __name__ == "__main__":
    raise SystemExit(main())
