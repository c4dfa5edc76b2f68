"""``python -m pointclip`` is the command ``pointclip``."""

from pointclip.cli import main

if __name__ == "__main__":
    main()
