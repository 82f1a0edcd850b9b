"""The OpenAPI document: what is written by hand of it, and how it is made. Only `openapi.json` is needed to serve it.

`operations` says what each address does; parameters of an address and bodies are read from the URL conf and the
serializers, so that they cannot disagree. `.ci/generate_docs.py` writes the result, and a test compares it.
"""
