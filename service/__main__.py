"""`python -m service` is `model-catalog`."""

from service.cli.main import main

if __name__ == "__main__":
    main()
