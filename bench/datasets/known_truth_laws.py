"""Standard laws on the line, with light, heavy, skewed and bounded tails."""

from __future__ import annotations

from bench import dataset
from bench.datasets._laws import Beta, Gumbel, Laplace, Logistic, OnTheLine, StudentT


@dataset(
    "standard-laplace",
    kind="continuous",
    shape=[1],
    truth=True,
    source="Laplace, location 0 and scale 1",
    licence="generated",
)
def standard_laplace() -> OnTheLine:
    """exp(-|x|) / 2: a kink at 0; h = 1 + ln 2."""
    return OnTheLine(Laplace())


@dataset(
    "standard-logistic",
    kind="continuous",
    shape=[1],
    truth=True,
    source="logistic, location 0 and scale 1",
    licence="generated",
)
def standard_logistic() -> OnTheLine:
    """Smooth, with exponential tails; h = 2."""
    return OnTheLine(Logistic())


@dataset(
    "standard-gumbel",
    kind="continuous",
    shape=[1],
    truth=True,
    source="Gumbel, location 0 and scale 1",
    licence="generated",
)
def standard_gumbel() -> OnTheLine:
    """Skewed: one tail exponential, the other doubly so; h = 1 + Euler's constant."""
    return OnTheLine(Gumbel())


@dataset(
    "student-t-3",
    kind="continuous",
    shape=[1],
    truth=True,
    source="Student's t, 3 degrees of freedom",
    licence="generated",
)
def student_t_3() -> OnTheLine:
    """Tails |x|^-4: a variance, but no kurtosis."""
    return OnTheLine(StudentT(3))


@dataset(
    "student-t-5",
    kind="continuous",
    shape=[1],
    truth=True,
    source="Student's t, 5 degrees of freedom",
    licence="generated",
)
def student_t_5() -> OnTheLine:
    """Tails |x|^-6."""
    return OnTheLine(StudentT(5))


@dataset(
    "beta-2-5",
    kind="continuous",
    shape=[1],
    truth=True,
    source="beta law, a = 2 and b = 5",
    licence="generated",
)
def beta_2_5() -> OnTheLine:
    """Bounded: 30 x (1 - x)^4 on (0, 1)."""
    return OnTheLine(Beta(2, 5))
