"""``python -m sagewright`` and the ``sagewright`` command."""

from sagewright.cli.main import main

if __name__ == "__main__":
    main()
