"""`python -m bench.kernels`: how many times faster than nflows, measured here and now."""

from bench.kernels.benchmark import main

if __name__ == "__main__":
    main()
