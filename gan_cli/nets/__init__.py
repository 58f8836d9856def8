"""Networks, one family of architectures a file, and the layers that they are made of."""
