"""The addresses of the server, a module for each thing that people do: see, correct, upload, teach."""
