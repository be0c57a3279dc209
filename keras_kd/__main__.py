"""`python -m keras_kd` is `keras-kd`."""

import sys

from keras_kd.cli import main

if __name__ == "__main__":
    sys.exit(main())
