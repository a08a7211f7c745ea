"""The review desk: a server on loopback that shows scenes and maps, and takes corrections, in a browser."""
