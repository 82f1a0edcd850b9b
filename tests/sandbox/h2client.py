"""A small HTTP/2 client for the tests of the sandbox's APNs: it sends, and tells everything that comes back."""

import json
import socket
import ssl
import time
from base64 import urlsafe_b64encode
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.asymmetric.ec import ECDSA
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import (
    ConnectionTerminated,
    DataReceived,
    RemoteSettingsChanged,
    ResponseReceived,
    StreamEnded,
    StreamReset,
)
from hyperframe.frame import DataFrame, Frame, GoAwayFrame, HeadersFrame

from notifications.sandbox.credentials import APNS_KEY_ID, APNS_TEAM_ID, APNS_TOPIC, apns_private_key_pem

PATIENCE = 30.0


def _b64(data):
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def jwt(iat=None, pem=None, **changes):
    """Return a provider token, signed by ES256; ``changes`` replace header fields and claims."""
    header = {"alg": changes.pop("alg", "ES256"), "kid": changes.pop("kid", APNS_KEY_ID)}
    claims = {"iss": APNS_TEAM_ID, "iat": int(time.time()) if iat is None else iat, **changes}
    signed = f"{_b64(json.dumps(header).encode())}.{_b64(json.dumps(claims).encode())}"
    key = load_pem_private_key((pem or apns_private_key_pem()).encode(), password=None)
    r, s = decode_dss_signature(key.sign(signed.encode(), ECDSA(SHA256())))
    return f"{signed}.{_b64(r.to_bytes(32, 'big') + s.to_bytes(32, 'big'))}"


@dataclass
class Reply:
    """What came back on one stream."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    ended: bool = False
    reset: bool = False

    @property
    def reason(self):
        return json.loads(self.body)["reason"]


class Client:
    """One connection."""

    def __init__(self, process, *, greet=True):
        host, port = "127.0.0.1", int(process.apns_url.rpartition(":")[2])
        context = ssl.create_default_context(cafile=process.ca_file)
        context.set_alpn_protocols(["h2"])
        self.socket = context.wrap_socket(socket.create_connection((host, port), 10), server_hostname=host)
        self.socket.settimeout(PATIENCE)
        self.h2 = H2Connection(H2Configuration(client_side=True, header_encoding="utf-8"))
        if greet:
            self.h2.initiate_connection()
            self._flush()
        self.replies = {}
        self.goaway = None
        self.closed = False
        self.settings = None
        self.token = jwt()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def post(self, token, payload=None, **headers):
        """Send one push and return its reply once the stream has ended."""
        return self.wait(self.send(token, payload, **headers))

    def send(self, token, payload=None, *, path=None, method="POST", authorization="default", **headers):
        """Send one push and return its stream's number."""
        stream = self.begin(token, path=path, method=method, authorization=authorization, **headers)
        body = payload if isinstance(payload, bytes) else json.dumps(payload or {"aps": {"alert": "Hi"}}).encode()
        self.h2.send_data(stream, body, end_stream=True)
        self._flush()
        return stream

    def begin(self, token, *, path=None, method="POST", authorization="default", **headers):
        stream = self.h2.get_next_available_stream_id()
        if authorization == "default":
            authorization = f"bearer {self.token}"
        named = {"apns_topic": APNS_TOPIC, "apns_push_type": "alert", **headers}
        fields = [
            (":method", method),
            (":scheme", "https"),
            (":authority", "x"),
            (":path", path or f"/3/device/{token}"),
        ]
        fields += [(name.replace("_", "-"), value) for name, value in named.items() if value is not None]
        if authorization:
            fields.append(("authorization", authorization))
        self.h2.send_headers(stream, fields)
        self.replies[stream] = Reply()
        return stream

    def wait(self, stream):
        """Read until this stream has ended, or the connection."""
        reply = self.replies[stream]
        while not (reply.ended or reply.reset or self.closed):
            self.read()
        return reply

    def read(self):
        """Take in what comes next."""
        try:
            data = self.socket.recv(65536)
        except (ConnectionError, ssl.SSLError):
            data = b""
        if not data:
            self.closed = True
            return
        for event in self.h2.receive_data(data):
            self._take_in(event)
        self._flush()

    def _take_in(self, event):
        if isinstance(event, RemoteSettingsChanged):
            self.settings = {key: change.new_value for key, change in event.changed_settings.items()}
        elif isinstance(event, ConnectionTerminated):
            self.goaway = event
        elif isinstance(event, ResponseReceived):
            headers = dict(event.headers)
            self.replies[event.stream_id].status = int(headers.pop(":status"))
            self.replies[event.stream_id].headers = headers
        elif isinstance(event, DataReceived):
            self.replies[event.stream_id].body += event.data
            self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        elif isinstance(event, StreamEnded):
            self.replies[event.stream_id].ended = True
        elif isinstance(event, StreamReset):
            self.replies[event.stream_id].reset = True

    def raw_frames_until_closed(self):
        """Return every frame until the end, without h2's state machine, which ends at GOAWAY."""
        data = b""
        while True:
            try:
                piece = self.socket.recv(65536)
            except (ConnectionError, ssl.SSLError):
                break
            if not piece:
                break
            data += piece
        frames = []
        while data:
            frame, length = Frame.parse_frame_header(memoryview(data[:9]))
            frame.parse_body(memoryview(data[9 : 9 + length]))
            frames.append(frame)
            data = data[9 + length :]
        return frames

    def _flush(self):
        data = self.h2.data_to_send()
        if data:
            self.socket.sendall(data)


def goaways(frames):
    return [frame for frame in frames if isinstance(frame, GoAwayFrame)]


def ended_streams(frames):
    ended = [frame for frame in frames if isinstance(frame, HeadersFrame | DataFrame)]
    return [frame.stream_id for frame in ended if "END_STREAM" in frame.flags]
