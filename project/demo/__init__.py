"""The demo: starts everything, sends real traffic over HTTP and shows what became of it."""
