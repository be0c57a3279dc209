"""Two replicas on one machine, in a process of its own."""

import os
import subprocess
import sys

DEVICES = """
import numpy as np, keras, tensorflow as tf
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(
    cpu, [tf.config.LogicalDeviceConfiguration()] * 2
)
"""
LAUNCH = """
import sys
sys.argv[0] = "keras-kd"  # nothing heavy is imported
from keras_kd.cli import main
sys.exit(main(["launch", *sys.argv[1:]]))
"""
"""`python -c LAUNCH ...` is `keras-kd launch ...`."""


def run_on_two_devices(script):
    """Run a script that finds `CPU:0` and `CPU:1`, and asserts what it is to show."""
    done = subprocess.run(
        [sys.executable, "-c", f'{DEVICES}\n{script}\nprint("equal")\n'],
        capture_output=True,
        text=True,
        env={
            **os.environ,
            "KERAS_BACKEND": "tensorflow",
            "TF_CPP_MIN_LOG_LEVEL": "3",
            "CUDA_VISIBLE_DEVICES": "-1",
        },
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.strip().endswith("equal"), done.stderr[-3000:]
