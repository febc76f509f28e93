"""The whole: the rooms put together into one running program.

Owns: settings (the only reader of the environment), composition root, application, middleware, error map, health,
metrics, worker, command line, admin API, admin console, demo.
Leaves: every rule to the room that owns it; nothing below imports this package.
"""
