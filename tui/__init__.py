"""Shows the desk and takes keys; never decides. Importing this package imports no Textual."""
