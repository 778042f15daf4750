"""Documents: read, judged, loaded and saved."""
