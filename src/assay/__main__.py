"""`python -m assay`: the command, where no script of that name is on the path."""

from __future__ import annotations

from .api.cli import main

if __name__ == "__main__":
    main()
