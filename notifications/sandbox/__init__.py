"""The sandbox: one small server that plays the providers over real sockets, for work without any.

It is what the demo, the tests, the chaos runs and the benchmarks send to. It needs neither Django nor a database, knows
nothing of the rest of the package, and answers in the providers' own shapes, so the adapters that talk to it are the
adapters that talk to Google, Apple, Twilio, Vonage, Postmark and Resend.

- Start it: ``python -m notifications.sandbox --port 9400 --file build/sandbox.jsonl`` (``server.py``).
- Talk to it from Python: ``client.SandboxClient``; start one for a test: ``process.launch``.
- Which addresses fail, and how: ``faults.py`` and ``*_faults.py`` (data) and ``README.md`` (the same as tables).
- Everything it accepts is a line in a file before it answers: ``store.py``, read back by ``records.read_file``.

Never run it where real people are: its credentials (``credentials.py``) are published.
"""
