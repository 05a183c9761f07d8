"""`python -m bench`, and the console command `bench`."""

from __future__ import annotations

import os
import sys


def main() -> int:
    """Run the command line. Returns the exit code: 3 where this Python lacks a package."""
    try:
        from bench import cli

        return cli.main()
    except ModuleNotFoundError as error:
        package = (error.name or "a package").partition(".")[0]
        if package == "bench" or os.environ.get("BENCH_DEBUG"):
            raise
        print(
            f"error: this Python ({sys.executable}) lacks {package}. Activate the virtual "
            "environment: source .venv/bin/activate (made by: make leaderboard)",
            file=sys.stderr,
        )
        return 3


if __name__ == "__main__":
    sys.exit(main())
