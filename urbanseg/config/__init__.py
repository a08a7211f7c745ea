"""Parameters: params.yaml typed and validated, a module for each section."""
