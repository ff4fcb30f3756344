//! Control from outside, over HTTP below `/_fake/`: for whoever drives the fake without being written in Rust.
//!
//! | Request | Effect |
//! |---|---|
//! | `POST /_fake/pay?session=…&card=good\|declined\|authenticate\|delayed` | pays a checkout session |
//! | `POST /_fake/settle?session=…&arrived=true` | a delayed payment arrives, or never will |
//! | `POST /_fake/tick` | does what is due |
//! | `POST /_fake/cancel?subscription=…` | ends a subscription at once |
//! | `POST /_fake/shift_period_end?subscription=…&at=UNIX` | moves the end of the running period |
//! | `POST /_fake/sign` | the `Stripe-Signature` of the body, as text |
//! | `POST /_fake/verify` | 200, or 400 with the reason why body and `Stripe-Signature` do not fit |
//! | `GET /_fake/events` | what happened: `payload` as text, and a `signature` of now |

use bytes::Bytes;
use serde_json::{Value, json};

use super::{Card, form::Form, state::State};
use crate::webhook::signature;

/// What the answer is: a status, and JSON or plain text.
pub(super) enum Reply {
    Json(u16, Value),
    Text(String),
}

fn refused(reason: &str) -> Reply {
    Reply::Json(400, json!({ "error": reason }))
}

fn card(text: Option<&str>) -> Option<Card> {
    match text.unwrap_or("good") {
        "good" => Some(Card::Good),
        "declined" => Some(Card::Declined),
        "authenticate" => Some(Card::NeedsAuthentication),
        "delayed" => Some(Card::Delayed),
        _ => None,
    }
}

impl State {
    /// The answer to a request below `/_fake/`; `path` is what follows.
    pub(super) fn remote(
        &mut self,
        method: &str,
        path: &str,
        query: &Form,
        body: &Bytes,
        header: Option<&str>,
    ) -> Reply {
        self.tick();
        match (method, path) {
            ("POST", "pay") => self.remote_pay(query),
            ("POST", "settle") => self.remote_settle(query),
            ("POST", "tick") => Reply::Json(200, json!({ "now": self.now() })),
            ("POST", "cancel") => self.on_subscription(query, |state, id| state.end(id, state.now())),
            ("POST", "shift_period_end") => match query.number("at") {
                Some(at) => self.on_subscription(query, |state, id| state.shift_period_end(id, at)),
                None => refused("`at` is missing or no number of seconds"),
            },
            ("POST", "sign") => Reply::Text(self.sign(body)),
            ("POST", "verify") => {
                let verdict = signature::verify(body, header, &self.options.webhook_secrets, self.clock.now());
                verdict
                    .map_or_else(|error| refused(&error.to_string()), |()| Reply::Json(200, json!({ "valid": true })))
            }
            ("GET", "events") => self.remote_events(),
            _ => Reply::Json(404, json!({ "error": format!("no such control: {method} /_fake/{path}") })),
        }
    }

    fn remote_pay(&mut self, query: &Form) -> Reply {
        let Some(card) = card(query.get("card")) else {
            return refused("`card` is one of good, declined, authenticate and delayed");
        };
        let session = query.get("session").unwrap_or_default();
        if !self.sessions.get(session).is_some_and(|session| session["status"] == "open") {
            return refused("no open checkout session of this id");
        }
        let subscription = self.pay(session, card);
        Reply::Json(200, json!({ "subscription": subscription }))
    }

    fn remote_settle(&mut self, query: &Form) -> Reply {
        let session = query.get("session").unwrap_or_default();
        if !self.sessions.get(session).is_some_and(|session| session["payment_status"] == "unpaid") {
            return refused("no unpaid checkout session of this id");
        }
        self.settle_delayed(session, !query.is("arrived", "false"));
        Reply::Json(200, json!({ "session": session }))
    }

    /// Does something to the subscription that the query names, and shows what became of it.
    fn on_subscription(&mut self, query: &Form, act: impl FnOnce(&mut Self, &str)) -> Reply {
        let id = query.get("subscription").unwrap_or_default();
        if self.subscriptions.get(id).is_none() {
            return refused("no subscription of this id");
        }
        act(self, id);
        let found = self.subscriptions.get(id).cloned().unwrap_or_default();
        Reply::Json(200, self.shown(&found, &[]))
    }

    fn remote_events(&self) -> Reply {
        let rows = self.events.iter().map(|event| {
            json!({
                "id": event.id, "type": event.kind, "created": event.created.timestamp(),
                "payload": String::from_utf8_lossy(&event.payload), "signature": self.sign(&event.payload),
            })
        });
        Reply::Json(200, json!({ "data": rows.collect::<Vec<_>>() }))
    }

    /// The `Stripe-Signature` of a payload, signed now with every current secret.
    pub(super) fn sign(&self, payload: &[u8]) -> String {
        let now = self.clock.now();
        let mut header = format!("t={}", now.timestamp());
        for secret in &self.options.webhook_secrets {
            let signed = signature::sign(payload, secret, now);
            header += signed.split_once(',').map_or("", |(time, _)| &signed[time.len()..]);
        }
        header
    }
}
