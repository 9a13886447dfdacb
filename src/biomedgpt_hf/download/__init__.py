"""Public sources over HTTP: which files a set needs, and their transfer, resumed and checked."""
