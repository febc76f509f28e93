"""The grants of the token endpoint, one file each; what all of them get is `identity/oauth/token_request.py`."""
