"""Arrays as pictures that a page can carry in itself."""

from __future__ import annotations

import base64
import struct
import zlib
from typing import Any

import numpy as np

LARGEST = 160
"""Pixels of a picture's longer side; larger ones are averaged down."""


def data_uri(image: Any) -> str:
    """An image as a `data:` URI of a PNG.

    Args:
        image: Array of shape `(height, width)` or `(height, width, channels)` with
            1, 3 or 4 channels: floats in [0, 1] or integers in [0, 255].

    Returns:
        String.

    Raises:
        ValueError: If the array is no image.
    """
    pixels = np.asarray(image)
    if pixels.ndim == 2:
        pixels = pixels[..., None]
    if pixels.ndim != 3 or pixels.shape[-1] not in (1, 3, 4) or not pixels.size:
        raise ValueError(
            "A picture must have shape (height, width, channels) with 1, 3 or 4 "
            f"channels. Received: {np.shape(image)}."
        )
    scale = 1 if pixels.dtype.kind in "iu" else 255
    pixels = np.nan_to_num(_smaller(pixels.astype("float64"))) * scale
    content = png(np.clip(np.round(pixels), 0, 255).astype("uint8"))
    return "data:image/png;base64," + base64.b64encode(content).decode()


def png(pixels: np.ndarray) -> bytes:
    """The bytes of a PNG file.

    Args:
        pixels: Array of uint8, shape `(height, width, channels)` with 1, 3 or 4
            channels.
    """
    height, width, channels = pixels.shape
    color = {1: 0, 3: 2, 4: 6}[channels]
    lines = np.zeros((height, 1 + width * channels), "uint8")  # filter 0 a line
    lines[:, 1:] = pixels.reshape(height, -1)
    header = struct.pack(">IIBBBBB", width, height, 8, color, 0, 0, 0)
    body = zlib.compress(lines.tobytes(), 9)
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data))
        + kind
        + data
        + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in ((b"IHDR", header), (b"IDAT", body), (b"IEND", b""))
    )


def _smaller(pixels: np.ndarray) -> np.ndarray:
    """Means of square blocks, where the picture is larger than a page needs."""
    block = -(-max(pixels.shape[:2]) // LARGEST)
    if block == 1:
        return pixels
    height, width = (max(1, side // block) for side in pixels.shape[:2])
    pixels = pixels[: height * block, : width * block]
    tall, wide = (min(block, side) for side in pixels.shape[:2])
    return pixels.reshape(height, tall, width, wide, -1).mean((1, 3))
