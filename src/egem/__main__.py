"""``python -m egem``, the same as ``egem``."""

from egem.apps.cli import app

if __name__ == "__main__":
    app(prog_name="egem")
