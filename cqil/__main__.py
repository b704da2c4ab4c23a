"""`python -m cqil`: the `cqil` command."""

from cqil.cli.app import main

if __name__ == "__main__":
    main()
