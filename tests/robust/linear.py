"""A network whose attack can be worked out by hand, in float64."""

import keras
import numpy as np
from keras import layers

W = np.array([[2.0, -1.0, 0.5], [-1.5, 1.0, 0.0], [0.3, 0.7, -2.0], [1.0, 0.2, 0.4]])
B = np.array([0.1, -0.2, 0.3])
X = np.array([[0.5, 0.5, 0.5, 0.5], [0.02, 0.97, 0.4, 0.6], [0.9, 0.1, 0.2, 0.3]])
Y = np.array([0, 1, 2])


def linear(name="linear"):
    inputs = keras.Input((4,))
    model = keras.Model(inputs, layers.Dense(3, name="head")(inputs), name=name)
    model.layers[-1].set_weights([W.astype("float32"), B.astype("float32")])
    return model


def log_softmax(z):
    z = z - z.max(-1, keepdims=True)
    return z - np.log(np.exp(z).sum(-1, keepdims=True))


def rise(x, p):
    """The gradient of −Σ p log softmax(xW + b) in x."""
    return (np.exp(log_softmax(x @ W + B)) - p) @ W.T


def attacked(x, p, epsilon, step, steps, norm, low=0.0, high=1.0):
    """The attack by loops, from the input itself."""
    moved = x.copy()
    for _ in range(steps):
        gradient = rise(moved, p)
        for row in range(len(x)):
            g, delta = gradient[row], moved[row] - x[row]
            if norm == "inf":
                delta = np.clip(delta + step * np.sign(g), -epsilon, epsilon)
            else:
                delta = delta + step * g / np.sqrt(np.sum(g**2))
                delta = delta * min(1.0, epsilon / np.sqrt(np.sum(delta**2)))
            moved[row] = np.clip(x[row] + delta, low, high)
    return moved
