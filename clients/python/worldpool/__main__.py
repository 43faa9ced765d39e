"""`python -m worldpool` is the command `worldpool`."""

from worldpool.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
