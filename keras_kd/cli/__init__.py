"""The command `keras-kd`: thin over the API, and quick to answer `--help`."""

from keras_kd.cli.run import main as main
