"""The deployable Django project around the `notifications` app: settings, URLs and embedded services; no logic."""
