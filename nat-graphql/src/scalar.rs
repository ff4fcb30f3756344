//! Scalars of this wire.

use async_graphql::{InputValueError, InputValueResult, Scalar, ScalarType, Value};
use chrono::{DateTime, SecondsFormat, Utc};

/// An instant in RFC 3339, UTC, `Z`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Instant(pub(crate) DateTime<Utc>);

/// An instant in RFC 3339, UTC, to the millisecond.
#[Scalar(name = "DateTime", specified_by_url = "https://datatracker.ietf.org/doc/html/rfc3339")]
impl ScalarType for Instant {
    fn parse(value: Value) -> InputValueResult<Self> {
        match &value {
            Value::String(text) => match DateTime::parse_from_rfc3339(text) {
                Ok(at) => Ok(Self(at.to_utc())),
                Err(_) => Err(InputValueError::custom("expected an instant such as 2026-01-31T12:00:00Z")),
            },
            _ => Err(InputValueError::expected_type(value)),
        }
    }

    fn to_value(&self) -> Value {
        // Bounds of periods are whole seconds and are written so.
        let form = if self.0.timestamp_subsec_millis() == 0 { SecondsFormat::Secs } else { SecondsFormat::Millis };
        Value::String(self.0.to_rfc3339_opts(form, true))
    }
}

/// A whole number from 0 to 2^64 - 1.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Unsigned(pub(crate) u64);

/// A whole number from 0 to 2^64 - 1, written as a string: `Int` ends at 2^31 - 1. As input a number will do too.
#[Scalar(name = "UInt64")]
impl ScalarType for Unsigned {
    fn parse(value: Value) -> InputValueResult<Self> {
        let number = match &value {
            Value::String(text) if text.bytes().all(|byte| byte.is_ascii_digit()) => text.parse().ok(),
            Value::Number(number) => number.as_u64(),
            _ => return Err(InputValueError::expected_type(value)),
        };
        number.map(Self).ok_or_else(|| InputValueError::custom("expected a whole number from 0 to 2^64 - 1"))
    }

    fn to_value(&self) -> Value {
        Value::String(self.0.to_string())
    }
}
