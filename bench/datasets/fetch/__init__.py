"""Files of data sets that are too big to come with the package: pinned, fetched, checked.

Nothing here is imported or looked for before a data set is loaded.
"""

from bench.datasets.fetch.arrays import kept as kept
from bench.datasets.fetch.cache import path as path
from bench.datasets.fetch.cache import pinned_by as pinned_by
from bench.datasets.fetch.files import Archive as Archive
from bench.datasets.fetch.files import File as File
from bench.datasets.fetch.files import members_of as members_of
from bench.datasets.fetch.obtain import Listener as Listener
from bench.datasets.fetch.obtain import local as local
from bench.datasets.fetch.obtain import obtain as obtain
from bench.datasets.fetch.obtain import state as state
from bench.datasets.fetch.registry import SETS as SETS
