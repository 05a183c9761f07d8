"""Anchors: scores of closed-form models that need no random number, registered and computed again.

`table` has the figures and imports nothing heavy; `compute` loads the data and fits the models.
"""

from bench.datasets.anchors.table import ANCHORS as ANCHORS
from bench.datasets.anchors.table import Anchor as Anchor
from bench.datasets.anchors.table import anchors_of as anchors_of
