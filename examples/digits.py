"""Handwritten digits and a small neural network that reads them, in plain numpy.

Everything here is pure and serial: no task, no actor. All parameters of the network live in one flat vector, because
`parameter_server.py` cuts it into slices; what is done element by element, like `Descent.step`, can be done slice by
slice with the same result to the last bit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = NDArray[np.float64]
Labels: TypeAlias = NDArray[np.int64]

IMAGE_SIDE = 8
SHADES = " .:-=+*#%@"
TEST_SHARE = 0.2


@dataclass(frozen=True, slots=True)
class Digits:
    """Images, one per row with values from 0 to 1, and the digit each of them shows."""

    images: Array
    labels: Labels

    def pick(self, rows: NDArray[np.intp]) -> Digits:
        """Return some of the digits."""
        return Digits(self.images[rows], self.labels[rows])

    def __len__(self) -> int:
        return len(self.labels)


def load_digits(seed: int) -> tuple[Digits, Digits]:
    """Return scikit-learn's 1797 handwritten digits as (to learn from, to test with), mixed by a seed.

    Raises:
        SystemExit: scikit-learn is not installed.
    """
    try:
        bunch = import_module("sklearn.datasets").load_digits()
    except ImportError:
        raise SystemExit("The digits come with scikit-learn: pip install 'localray[examples]'") from None
    everything = Digits(np.asarray(bunch.data, np.float64) / 16.0, np.asarray(bunch.target, np.int64))
    order = np.random.default_rng(seed).permutation(len(everything))
    test_size = int(len(everything) * TEST_SHARE)
    return everything.pick(order[test_size:]), everything.pick(order[:test_size])


@dataclass(frozen=True, slots=True)
class Network:
    """The shape of a network with one hidden layer; its parameters are a vector that is passed in."""

    inputs: int = IMAGE_SIDE * IMAGE_SIDE
    hidden: int = 48
    classes: int = 10

    @property
    def size(self) -> int:
        """The number of parameters."""
        return (self.inputs + 1) * self.hidden + (self.hidden + 1) * self.classes

    def initial(self, seed: int) -> Array:
        """Return parameters to start from."""
        scale = np.sqrt(2.0 / self.inputs)
        return np.random.default_rng(seed).normal(0.0, scale, self.size)

    def loss_and_gradient(self, parameters: Array, digits: Digits) -> tuple[float, Array]:
        """Return the mean cross-entropy over some digits, and its gradient, in the layout of the parameters."""
        _, _, weights_2, _ = self._layers(parameters)
        hidden, scores = self._forward(parameters, digits.images)
        shifted = scores - scores.max(axis=1, keepdims=True)
        log_probabilities = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
        rows = np.arange(len(digits))
        loss = -float(log_probabilities[rows, digits.labels].mean())
        scores_gradient = np.exp(log_probabilities)
        scores_gradient[rows, digits.labels] -= 1.0
        scores_gradient /= len(digits)
        hidden_gradient = (scores_gradient @ weights_2.T) * (hidden > 0.0)
        gradient = np.concatenate(
            [
                (digits.images.T @ hidden_gradient).ravel(),
                hidden_gradient.sum(axis=0),
                (hidden.T @ scores_gradient).ravel(),
                scores_gradient.sum(axis=0),
            ]
        )
        return loss, gradient

    def read(self, parameters: Array, images: Array) -> Labels:
        """Return which digit the network sees in each image."""
        _, scores = self._forward(parameters, images)
        return np.asarray(scores.argmax(axis=1), np.int64)

    def accuracy(self, parameters: Array, digits: Digits) -> float:
        """Return the share of digits that are read right."""
        return float((self.read(parameters, digits.images) == digits.labels).mean())

    def _forward(self, parameters: Array, images: Array) -> tuple[Array, Array]:
        weights_1, bias_1, weights_2, bias_2 = self._layers(parameters)
        hidden = np.maximum(images @ weights_1 + bias_1, 0.0)
        return hidden, hidden @ weights_2 + bias_2

    def _layers(self, parameters: Array) -> tuple[Array, Array, Array, Array]:
        shapes = ((self.inputs, self.hidden), (self.hidden,), (self.hidden, self.classes), (self.classes,))
        ends = np.cumsum([int(np.prod(shape)) for shape in shapes])
        parts = np.split(parameters, ends[:-1])
        weights_1, bias_1, weights_2, bias_2 = (part.reshape(shape) for part, shape in zip(parts, shapes, strict=True))
        return weights_1, bias_1, weights_2, bias_2


@dataclass(frozen=True, slots=True)
class Descent:
    """How parameters are moved along gradients: by gradient descent with momentum."""

    rate: float = 0.1
    momentum: float = 0.9

    def step(self, values: Array, velocity: Array, gradients: Sequence[Array]) -> tuple[Array, Array]:
        """Return (values, velocity) after one step along the mean of some gradients."""
        velocity = self.momentum * velocity - self.rate * (np.sum(gradients, axis=0) / len(gradients))
        return values + velocity, velocity

    def one_gradient_at_a_time(self, workers: int) -> Descent:
        """Return the descent that gets equally far in equally many gradients if each of them is a step of its own.

        Gradients that were computed before other steps act like momentum themselves (Mitliagkas and others, 2016), so
        less of it is added; the rate makes up for that, and for steps being more by the number of workers.
        """
        momentum = 0.5
        return Descent(self.rate / workers * (1.0 - momentum) / (1.0 - self.momentum), momentum)


def picture(image: Array) -> list[str]:
    """Return an image as lines of text; every pixel is two characters wide, which makes it about square."""
    shades = (image.reshape(IMAGE_SIDE, IMAGE_SIDE) * (len(SHADES) - 1)).round().astype(int)
    return ["".join(SHADES[shade] * 2 for shade in row) for row in shades]
