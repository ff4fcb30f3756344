"""Regression tests of findings. NAT_TARGET says where; secrets come from the environment."""

import base64
import http.client
import json
import os
import re
from urllib.parse import quote, urlsplit

import pytest

TARGET = os.environ.get("NAT_TARGET", "@TARGET@")


class Answer:
    def __init__(self, status=0, headers=None, body=b""):
        self.status, self.headers, self.body = status, headers, body

    @property
    def json(self):
        return json.loads(self.body)


def fill(text, values, write):
    """Replaces {{name}} where the name is known."""
    known = lambda match: write(str(values[match[1]])) if match[1] in values else match[0]
    return re.sub(r"\{\{(\w+)\}\}", known, text, flags=re.ASCII)


def point(value, pointer):
    """A JSON pointer (RFC 6901)."""
    for part in pointer.split("/")[1:]:
        part = part.replace("~1", "/").replace("~0", "~")
        value = value[int(part)] if isinstance(value, list) else value[part]
    return json.dumps(value) if not isinstance(value, str) else value


def send(values, method, target, headers, body):
    """One request, byte for byte; status 0 when no answer comes."""
    url = urlsplit(TARGET)
    make = http.client.HTTPSConnection if url.scheme == "https" else http.client.HTTPConnection
    connection = make(url.hostname, url.port, timeout=30)
    is_json = any(name.lower() == "content-type" and "json" in value.lower() for name, value in headers)
    in_target = lambda value: value if value.startswith("/") else quote(value, safe="")
    in_body = (lambda value: json.dumps(value)[1:-1]) if is_json else str
    if isinstance(body, str):
        body = fill(body, values, in_body).encode()
    try:
        target = fill(target, values, in_target)
        connection.putrequest(method, target, skip_accept_encoding=True)
        for name, value in headers:
            connection.putheader(name, fill(value, values, str).encode())
        if body is not None or method in ("POST", "PUT", "PATCH"):
            connection.putheader("Content-Length", str(len(body or b"")))
        connection.endheaders(body)
        response = connection.getresponse()
        return Answer(response.status, response.headers, response.read())
    except (http.client.HTTPException, OSError):
        return Answer()
    finally:
        connection.close()
