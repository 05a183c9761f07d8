"""Maps x + g(x): contractive networks, planar, radial and Sylvester layers."""
