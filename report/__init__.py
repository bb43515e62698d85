"""One static page that shows the marts: `make report`."""
