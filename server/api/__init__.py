"""The JSON API under `/api/v1`, for services and administration: a FastAPI application with an OpenAPI document.

Owns: who may call (a bearer token of the server's own API, a scope a resource), how faults are told (problem+json with
field paths and the request id), paging, and the addresses.
Leaves: every rule to the room that the resource belongs to. It is loaded by the first request, so that a server whose
API nobody uses neither waits nor pays for it.
"""
