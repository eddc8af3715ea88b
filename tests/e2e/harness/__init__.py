"""What the end-to-end tests are written with: hosts made of network namespaces, the real binary,
real programs, the wire."""
