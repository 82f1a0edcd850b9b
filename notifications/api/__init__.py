"""The HTTP door: JSON under `api/v1/`. Views read what was asked, call one flow and write what came of it."""
