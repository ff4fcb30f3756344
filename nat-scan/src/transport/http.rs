//! HTTP/1.1 over TCP and TLS to a pinned address.
