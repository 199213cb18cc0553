"""Redraw every figure from the arrays kept beside the figures: ``make figures``."""

import argparse
import sys

from cemp.errors import BadInputError
from cemp.paths import Paths


def main(arguments=None):
    """Command line; see ``--help``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--profile", default="demo")
    import matplotlib

    matplotlib.use("agg")  # no window, also on a machine without a screen
    from cemp.figures import redraw

    try:
        paths = Paths(parser.parse_args(arguments).profile)
        names = redraw(paths)
    except BadInputError as error:
        print(error, file=sys.stderr)
        return 1
    folder = paths.published("figures").relative_to(paths.root)
    print(f"{len(names)} figures redrawn in {folder}/: {', '.join(names)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
