"""Tables of every odd kind, bound like anybody's, to see what the package makes of them."""
