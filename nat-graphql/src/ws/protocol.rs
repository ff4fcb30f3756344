//! The messages of graphql-transport-ws and the codes with which it closes.

use async_graphql::{Response as Answer, ServerError};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Bytes of a message of the client.
pub(super) const MAX_MESSAGE: usize = 64 << 10;
/// Characters of the id of an operation.
pub(super) const MAX_ID: usize = 128;

/// What a client says.
#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum FromClient {
    ConnectionInit {
        #[serde(default)]
        payload: Option<Map<String, Value>>,
    },
    Ping {
        #[serde(default)]
        payload: Option<Value>,
    },
    Pong {},
    Subscribe {
        id: String,
        payload: Operation,
    },
    Complete {
        id: String,
    },
}

/// An operation to run.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Operation {
    pub(super) query: String,
    #[serde(default)]
    pub(super) operation_name: Option<String>,
    #[serde(default)]
    pub(super) variables: Option<Map<String, Value>>,
}

/// What a server says.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum FromServer<'a> {
    ConnectionAck,
    Pong {
        #[serde(skip_serializing_if = "Option::is_none")]
        payload: Option<Value>,
    },
    Next {
        id: &'a str,
        payload: &'a Answer,
    },
    Error {
        id: &'a str,
        payload: &'a [ServerError],
    },
    Complete {
        id: &'a str,
    },
}

/// Why a socket is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Close {
    /// A message that is none of the protocol, or too large.
    BadMessage,
    /// An operation before the acknowledgement.
    Unauthorized,
    /// The key is wrong, or is not good any more.
    Forbidden,
    /// None of the offered subprotocols is ours.
    BadProtocol,
    /// No `connection_init` in time.
    InitTimeout,
    /// The id of a running operation again.
    DuplicateId,
    /// The client does not take what it is sent.
    SlowConsumer,
    /// A second `connection_init`.
    TooManyInits,
    /// The tenant has as many connections as it may have, or the service is away.
    TryLater,
    /// The server stops.
    Restart,
}

impl Close {
    /// The code on the wire; 4400 to 4429 are the protocol's.
    pub(super) const fn code(self) -> u16 {
        match self {
            Self::BadMessage => 4400,
            Self::Unauthorized => 4401,
            Self::Forbidden => 4403,
            Self::BadProtocol => 4406,
            Self::InitTimeout => 4408,
            Self::DuplicateId => 4409,
            Self::SlowConsumer => 4413,
            Self::TooManyInits => 4429,
            Self::TryLater => 1013,
            Self::Restart => 1012,
        }
    }

    /// What it is, for people; at most 123 bytes.
    pub(super) const fn reason(self) -> &'static str {
        match self {
            Self::BadMessage => "Invalid message received",
            Self::Unauthorized => "Unauthorized",
            Self::Forbidden => "Forbidden",
            Self::BadProtocol => "Subprotocol not acceptable",
            Self::InitTimeout => "Connection initialisation timeout",
            Self::DuplicateId => "Subscriber already exists",
            Self::SlowConsumer => "Messages are not taken fast enough",
            Self::TooManyInits => "Too many initialisation requests",
            Self::TryLater => "Try again later",
            Self::Restart => "Server restarts",
        }
    }
}

/// The key of `connection_init`: browsers cannot set headers on a WebSocket.
pub(super) fn key_of(payload: Option<&Map<String, Value>>) -> Option<&str> {
    let payload = payload?;
    let value = payload.get("apiKey").or_else(|| {
        let (_, value) = payload.iter().find(|(name, _)| name.eq_ignore_ascii_case("x-api-key"))?;
        Some(value)
    });
    value?.as_str()
}
