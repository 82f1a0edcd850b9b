"""``python -m notifications.sandbox``: run the sandbox from a shell, without Django."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from .server import CannotListenError, SandboxOptions, serve


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the sandbox until it is told to stop; return the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m notifications.sandbox",
        description="Plays FCM, APNs, Twilio, Vonage, Postmark, Resend and a mail server. Its inbox is at /sandbox/.",
    )
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=9400, help="0 takes a free port and prints it (default: 9400)")
    parser.add_argument("--apns-port", type=int, metavar="PORT", help="default: the next one after --port")
    parser.add_argument("--smtp-port", type=int, metavar="PORT", help="default: the next but one after --port")
    parser.add_argument("--file", type=Path, default=Path("build/sandbox.jsonl"), help="what was accepted, appended")
    parser.add_argument("--postmark-webhook", metavar="URL", help="http://user:password@host/... for Postmark's events")
    parser.add_argument("--twilio-inbound-webhook", metavar="URL", help="where STOP and START from phones go")
    parser.add_argument("--vonage-webhook", metavar="URL", help="where delivery receipts go that no request names")
    parser.add_argument("--resend-webhook", metavar="URL", help="where Resend's events go")
    parser.add_argument("--callback-delay", type=float, default=0.05, help="seconds before each webhook")
    parser.add_argument("--no-callbacks", action="store_true", help="post no webhooks at all")
    parser.add_argument("--fsync", action="store_true", help="flush every line to the disk")
    given = parser.parse_args(arguments)
    options = SandboxOptions(
        file=given.file,
        host=given.host,
        port=given.port,
        apns_port=_port(given.apns_port, given.port, 1),
        smtp_port=_port(given.smtp_port, given.port, 2),
        postmark_webhook=given.postmark_webhook,
        twilio_inbound_webhook=given.twilio_inbound_webhook,
        vonage_webhook=given.vonage_webhook,
        resend_webhook=given.resend_webhook,
        callback_delay=given.callback_delay,
        callbacks=not given.no_callbacks,
        fsync=given.fsync,
    )
    try:
        serve(options)
    except CannotListenError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


def _port(given: int | None, base: int, offset: int) -> int:
    """Return the port of a further door: near the first, or any free one if that one is free to choose."""
    if given is not None:
        return given
    return base + offset if base else 0


if __name__ == "__main__":
    sys.exit(main())
