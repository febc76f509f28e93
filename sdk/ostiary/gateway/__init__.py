"""The gateway adapter: what nginx, Caddy, Traefik and Envoy ask before they let a request through.

Owns: what was asked for, read once and in one way (S42); the routes; who may pass without a token; the identity headers
that services behind the gateway may believe; the answers in each proxy's dialect; the command `ostiary-gateway`.
Leaves to others: proving tokens (`ostiary.verifier`), deciding by policy and internal tokens (both are handed in), and
moving the request itself, which the proxy does.

Needs the extra `ostiary[gateway]` only where `ostiary.gateway.command` serves it; the application is plain ASGI.
"""
