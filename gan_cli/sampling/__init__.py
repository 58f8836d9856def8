"""A request for samples -> arrays and files."""
