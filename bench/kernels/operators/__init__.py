"""Kernels as operators of torch: fake and autograd parts, dispatched by device."""
