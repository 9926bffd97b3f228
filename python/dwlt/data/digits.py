"""The handwritten digits that come with scikit-learn: 1797 images of 8x8 pixels, 10 classes.

They are the test part of the UCI Optical Recognition of Handwritten Digits set; a pixel counts the
dark dots of a 4x4 block, 0..16. They are kept as these counts (``levels`` 16), so that a pixel in
[0, 1] is exactly count / 16.
"""

from __future__ import annotations

import numpy as np

from dwlt.data.request import Request
from dwlt.data.source import ArraySource, Dataset

_LEVELS = 16


def load(request: Request) -> Dataset:
    """All digits as one part; scikit-learn ships them without a test split."""
    from sklearn.datasets import load_digits

    bundle = load_digits()
    counts = bundle.images
    if request.size in (None, counts.shape[1]):
        images, levels = counts.astype(np.uint8), _LEVELS
    else:
        # Resizing interpolates, which 17 grey levels would coarsen: spread them out first.
        images, levels = np.rint(counts * (255 / _LEVELS)).astype(np.uint8), 255
    labels = bundle.target.astype(np.int64)
    classes = tuple(str(name) for name in bundle.target_names)
    return Dataset(classes, ArraySource("digits", images, labels, levels=levels))
