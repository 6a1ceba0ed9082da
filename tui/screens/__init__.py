"""The main screen and the pages that lie over its panels."""
