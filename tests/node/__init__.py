"""Programs in Node that run against the server, and the Node SDK's own checks."""
