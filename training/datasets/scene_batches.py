"""Batches of scenes for the face detector, made ahead by another thread while the network learns."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np

from edge.features.cells import CellGrid
from training.datasets.cell_targets import assign
from training.datasets.face_batches import Batch, as_input
from training.datasets.face_photos import Photo
from training.datasets.face_scenes import SceneMaker
from training.recipe import DetectorRecipe

AHEAD = 4
"""Batches in the making while one is learned from."""


class SceneBatches:
    """One epoch's batches by index; `epoch` chooses which epoch.

    Parameters
    ----------
    photos
        Of the training sources.
    recipe
        Network, targets and augmentation.
    grid
        The cells of the network.
    batch_size, steps
        Scenes in a batch, batches in an epoch.
    seed
        Every scene follows from it, the epoch and its place.
    """

    def __init__(
        self, photos: Sequence[Photo], recipe: DetectorRecipe, grid: CellGrid, *, batch_size: int, steps: int, seed: int
    ) -> None:
        self._maker = SceneMaker(photos, recipe.augmentation, height=grid.height, width=grid.width)
        self._targets = recipe.targets
        self._grid = grid
        self._batch_size, self._steps, self._seed = batch_size, steps, seed
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="scenes")
        self._ahead: deque[tuple[tuple[int, int], Future[Batch]]] = deque()
        self.epoch = 0

    def __len__(self) -> int:
        return self._steps

    def __getitem__(self, index: int) -> Batch:
        if not 0 <= index < self._steps:
            raise IndexError(index)
        if self._ahead and self._ahead[0][0] != (self.epoch, index):
            self._ahead.clear()
        following = self._places(self.epoch, index + len(self._ahead))
        while len(self._ahead) <= AHEAD:
            place = next(following)
            self._ahead.append((place, self._pool.submit(self._make, *place)))
        return self._ahead.popleft()[1].result()

    def of_epoch(self, epoch: int, *, limit: int | None = None) -> Iterator[Batch]:
        """One epoch's batches in order; those of the first `limit` scenes, if a limit is given."""
        self.epoch = epoch
        for index in range(self._steps if limit is None else min(self._steps, -(-limit // self._batch_size))):
            yield self[index]

    def _places(self, epoch: int, index: int) -> Iterator[tuple[int, int]]:
        while True:
            yield epoch + index // self._steps, index % self._steps
            index += 1

    def _make(self, epoch: int, index: int) -> Batch:
        rng = np.random.default_rng((self._seed, epoch, index))
        scenes = [self._maker(rng) for _ in range(self._batch_size)]
        targets = np.stack([assign(scene, self._grid, self._targets) for scene in scenes])
        return as_input(np.stack([scene.image for scene in scenes])), targets
