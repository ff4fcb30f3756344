//! Server-Sent Events, as the client library graphql-sse reads them: one stream an operation, `next` for each answer
//! and `complete` at the end.

use std::convert::Infallible;
use std::time::Duration;

use async_graphql::Request as Document;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures::{Stream, StreamExt, stream};
use nat_core::rate_limit::RateDecision;
use nat_core::{Actor, Error, ErrorCode};

use super::answer::{failed, tell_rate};
use super::{App, refused};
use crate::viewer::Session;
use crate::ws::{Ending, Watched};

/// Proxies drop what is silent for longer.
const KEEP_ALIVE: Duration = Duration::from_secs(12);

/// Answers as events until the operation ends, the key dies or the server stops.
pub(super) fn stream(app: &App, actor: Actor, key: String, document: Document, rate: RateDecision) -> Response {
    let Some(seat) = app.connections.take_seat(&actor.tenant_id) else {
        let message = "This tenant has as many open streams as it may have.";
        return refused(&Error::new(ErrorCode::TooManyStreams, message).retry_after(10));
    };
    let (sender, session) = Session::new(actor.clone());
    let answers = app.facade.stream(session, document, 1, rate);
    let watched = Watched::new(app.clone(), key, actor, sender);
    // The seat is given back when the client goes away and the stream is dropped.
    let events = events(answers, watched).map(move |event| {
        let _ = &seat;
        Ok::<_, Infallible>(event)
    });
    let mut response = Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)).into_response();
    tell_rate(response.headers_mut(), &rate);
    response
}

fn events(
    answers: impl Stream<Item = async_graphql::Response> + Send + Unpin + 'static,
    watched: Watched,
) -> impl Stream<Item = Event> + Send {
    stream::unfold(Some(Stage::Open(answers, watched)), |stage| async move {
        let Stage::Open(mut answers, mut watched) = stage? else { return Some((complete(), None)) };
        let answer = tokio::select! {
            answer = answers.next() => Ok(answer),
            ending = watched.ended() => Err(ending),
        };
        Some(match answer {
            Ok(Some(answer)) => (next(&answer), Some(Stage::Open(answers, watched))),
            Ok(None) => (complete(), None),
            // A stream that is cut off must not look like one that has come to its end.
            Err(ending) => (next(&failed(&cut_off(ending), None)), Some(Stage::CutOff)),
        })
    })
}

/// Where a stream stands.
enum Stage<Answers> {
    Open(Answers, Watched),
    /// The error has been told, the end not yet.
    CutOff,
}

fn next(answer: &async_graphql::Response) -> Event {
    Event::default().event("next").data(serde_json::to_string(answer).unwrap_or_default())
}

fn complete() -> Event {
    Event::default().event("complete").data("")
}

fn cut_off(ending: Ending) -> Error {
    match ending {
        Ending::KeyDied => Error::invalid_api_key(),
        Ending::Stopping => Error::unavailable("the server stops"),
    }
}
