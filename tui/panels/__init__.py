"""One module per panel: pure row builders, and the widget that shows their lines."""
