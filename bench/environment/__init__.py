"""The machine and the software: captured with every measurement, examined by `bench doctor`."""

from __future__ import annotations

from bench.environment.doctor import doctor as doctor
from bench.environment.doctor import missing as missing
from bench.environment.machine import capture as capture
from bench.environment.machine import versions as versions
