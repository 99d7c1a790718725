"""The story that ``preau demo --check`` plays: real people's real clients against both académies."""
