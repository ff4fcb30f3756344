//! One socket.

use std::collections::HashSet;
use std::time::Duration;

use async_graphql::{Request as Document, Response as Answer, Value as GraphValue, Variables};
use axum::extract::ws::{CloseFrame, Message, WebSocket};
use futures::stream::{self, BoxStream};
use futures::{SinkExt, StreamExt};
use nat_core::admission::Admitted;
use nat_core::{Actor, Error, ErrorCode};
use serde_json::Value;
use tokio::time::{Instant, Interval, MissedTickBehavior, timeout, timeout_at};
use tokio_stream::StreamMap;

use super::connections::{Ending, Seat, Watched};
use super::protocol::{Close, FromClient, FromServer, MAX_ID, MAX_MESSAGE, Operation, key_of};
use crate::error::server_error;
use crate::http::App;
use crate::viewer::Session;

/// How often a silent peer is asked whether it is there.
const PING_EVERY: Duration = Duration::from_secs(15);
/// Asked so often without any word, it is not.
const MAX_SILENT_PINGS: u32 = 3;

/// What an operation yields; `None` at its end.
type Answers = BoxStream<'static, Option<Answer>>;

/// Speaks the protocol until one side closes.
pub(super) async fn serve(app: App, socket: WebSocket, agreed: bool) {
    let send_timeout = app.facade.settings().send_timeout;
    let mut wire = Wire { socket, send_timeout };
    let why = if agreed {
        match initialise(&app, &mut wire).await {
            Ok(Some(mut connection)) => connection.run(&mut wire).await.err(),
            Ok(None) => None,
            Err(close) => Some(close),
        }
    } else {
        Some(Close::BadProtocol)
    };
    if let Some(close) = why {
        metrics::counter!("nat_graphql_sockets_closed_total", "code" => close.code().to_string()).increment(1);
        tracing::debug!(code = close.code(), reason = close.reason(), "websocket closed");
        wire.close(close).await;
    }
}

/// The socket with a bound on how long a write may take.
struct Wire {
    socket: WebSocket,
    send_timeout: Duration,
}

impl Wire {
    async fn say(&mut self, message: &FromServer<'_>) -> Result<(), Close> {
        let text = serde_json::to_string(message).unwrap_or_default();
        self.send(Message::Text(text.into())).await
    }

    async fn send(&mut self, message: Message) -> Result<(), Close> {
        match timeout(self.send_timeout, self.socket.send(message)).await {
            // A peer that is gone is noticed by the next read.
            Ok(_) => Ok(()),
            Err(_) => Err(Close::SlowConsumer),
        }
    }

    async fn close(mut self, why: Close) {
        let frame = CloseFrame { code: why.code(), reason: why.reason().into() };
        let farewell = async {
            self.socket.send(Message::Close(Some(frame))).await?;
            self.socket.flush().await?;
            // Until the peer has answered, so that it reads the code and not a reset.
            while let Some(Ok(_)) = self.socket.recv().await {}
            Ok::<_, axum::Error>(())
        };
        let _ = timeout(self.send_timeout, farewell).await;
    }

    /// The next message of the protocol; `None` when the peer is gone.
    async fn hear(&mut self) -> Result<Option<Heard>, Close> {
        let text = match self.socket.recv().await {
            None => return Ok(None),
            Some(Ok(Message::Close(_))) => {
                // The answer to it is ready and only has to leave.
                let _ = timeout(self.send_timeout, self.socket.flush()).await;
                return Ok(None);
            }
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => return Ok(Some(Heard::Life)),
            Some(Ok(Message::Text(text))) => text,
            Some(Ok(Message::Binary(_))) => return Err(Close::BadMessage),
            // A message that is too large, or bytes that are no WebSocket.
            Some(Err(_)) => return Err(Close::BadMessage),
        };
        if text.len() > MAX_MESSAGE {
            return Err(Close::BadMessage);
        }
        serde_json::from_str(text.as_str()).map(|message| Some(Heard::Said(message))).map_err(|_| Close::BadMessage)
    }
}

enum Heard {
    /// The peer lives.
    Life,
    Said(FromClient),
}

/// Waits for `connection_init`, authenticates, and acknowledges.
async fn initialise(app: &App, wire: &mut Wire) -> Result<Option<Connection>, Close> {
    let deadline = Instant::now() + app.facade.settings().init_timeout;
    let stop = app.facade.settings().stop.clone();
    let payload = loop {
        let heard = tokio::select! {
            heard = timeout_at(deadline, wire.hear()) => heard.map_err(|_| Close::InitTimeout)??,
            () = stop.cancelled() => return Err(Close::Restart),
        };
        match heard {
            None => return Ok(None),
            Some(Heard::Life | Heard::Said(FromClient::Pong {} | FromClient::Complete { .. })) => {}
            Some(Heard::Said(FromClient::Ping { payload })) => wire.say(&FromServer::Pong { payload }).await?,
            Some(Heard::Said(FromClient::Subscribe { .. })) => return Err(Close::Unauthorized),
            Some(Heard::Said(FromClient::ConnectionInit { payload })) => break payload,
        }
    };
    let key = key_of(payload.as_ref()).ok_or(Close::Forbidden)?.to_owned();
    let actor = match app.facade.services().keys.authenticate(&key).await {
        Ok(actor) => actor,
        Err(error) if error.code == ErrorCode::InvalidApiKey => return Err(Close::Forbidden),
        Err(_) => return Err(Close::TryLater),
    };
    let seat = app.connections.take_seat(&actor.tenant_id).ok_or(Close::TryLater)?;
    wire.say(&FromServer::ConnectionAck).await?;
    Ok(Some(Connection::new(app.clone(), key, actor, seat)))
}

/// An acknowledged connection.
struct Connection {
    app: App,
    session: Session,
    watched: Watched,
    operations: StreamMap<String, Answers>,
    /// Operations that have answered, so that an error of theirs is one of a field and not of the whole.
    answering: HashSet<String>,
    pings: Interval,
    silent_pings: u32,
    /// Counts the connection as long as it lives.
    _seat: Seat,
}

impl Connection {
    fn new(app: App, key: String, actor: Actor, seat: Seat) -> Self {
        let (sender, session) = Session::new(actor.clone());
        let mut pings = tokio::time::interval_at(Instant::now() + PING_EVERY, PING_EVERY);
        pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let watched = Watched::new(app.clone(), key, actor, sender);
        let (operations, answering) = (StreamMap::new(), HashSet::new());
        Self { app, session, watched, operations, answering, pings, silent_pings: 0, _seat: seat }
    }

    /// `Ok` when the peer is gone.
    async fn run(&mut self, wire: &mut Wire) -> Result<(), Close> {
        loop {
            tokio::select! {
                heard = wire.hear() => {
                    self.silent_pings = 0;
                    match heard? {
                        None => return Ok(()),
                        Some(Heard::Life) => {}
                        Some(Heard::Said(message)) => self.obey(wire, message).await?,
                    }
                }
                Some((id, answer)) = self.operations.next() => self.pass_on(wire, id, answer).await?,
                ending = self.watched.ended() => return Err(match ending {
                    Ending::KeyDied => Close::Forbidden,
                    Ending::Stopping => Close::Restart,
                }),
                _ = self.pings.tick() => {
                    self.silent_pings += 1;
                    if self.silent_pings > MAX_SILENT_PINGS {
                        return Ok(());
                    }
                    wire.send(Message::Ping(bytes::Bytes::new())).await?;
                }
            }
        }
    }

    async fn obey(&mut self, wire: &mut Wire, message: FromClient) -> Result<(), Close> {
        match message {
            FromClient::ConnectionInit { .. } => Err(Close::TooManyInits),
            FromClient::Ping { payload } => wire.say(&FromServer::Pong { payload }).await,
            FromClient::Pong {} => Ok(()),
            FromClient::Complete { id } => {
                self.operations.remove(&id);
                self.answering.remove(&id);
                Ok(())
            }
            FromClient::Subscribe { id, .. } if id.is_empty() || id.len() > MAX_ID => Err(Close::BadMessage),
            FromClient::Subscribe { id, .. } if self.operations.contains_key(&id) => Err(Close::DuplicateId),
            FromClient::Subscribe { id, payload } => self.begin(wire, id, payload).await,
        }
    }

    /// Begins an operation; it pays a point for being read, like a request over HTTP.
    async fn begin(&mut self, wire: &mut Wire, id: String, operation: Operation) -> Result<(), Close> {
        if self.operations.len() >= self.app.facade.settings().max_operations {
            let message = "This connection has as many running operations as it may have.";
            return refuse(wire, &id, &Error::new(ErrorCode::TooManyStreams, message)).await;
        }
        // The point that every document pays before it is read.
        let Admitted { actor, rate } = match self.app.admission.charge(self.session.actor(), 1).await {
            Ok(admitted) => admitted,
            Err(refused) => return refuse(wire, &id, &refused.error).await,
        };
        tracing::debug!(tenant = %actor.tenant_id, "websocket operation begins");
        let answers = self.app.facade.stream(self.session.clone(), document(operation), 1, rate);
        self.operations.insert(id, answers.map(Some).chain(stream::iter([None])).boxed());
        Ok(())
    }

    async fn pass_on(&mut self, wire: &mut Wire, id: String, answer: Option<Answer>) -> Result<(), Close> {
        match answer {
            Some(answer) if was_not_run(&answer) && !self.answering.contains(&id) => {
                self.operations.remove(&id);
                wire.say(&FromServer::Error { id: &id, payload: &answer.errors }).await
            }
            Some(answer) => {
                self.answering.insert(id.clone());
                wire.say(&FromServer::Next { id: &id, payload: &answer }).await
            }
            None => {
                self.operations.remove(&id);
                self.answering.remove(&id);
                wire.say(&FromServer::Complete { id: &id }).await
            }
        }
    }
}

fn document(operation: Operation) -> Document {
    let mut document = Document::new(operation.query);
    document.operation_name = operation.operation_name;
    document.variables = Variables::from_json(Value::Object(operation.variables.unwrap_or_default()));
    document
}

async fn refuse(wire: &mut Wire, id: &str, error: &Error) -> Result<(), Close> {
    wire.say(&FromServer::Error { id, payload: &[server_error(error)] }).await
}

/// Errors without any data.
fn was_not_run(answer: &Answer) -> bool {
    answer.data == GraphValue::Null && !answer.errors.is_empty()
}
