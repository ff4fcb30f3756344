//! The HTTP side: authentication, idempotency keys, failures on demand, and the log of requests.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::{Method, Response, StatusCode, body::Incoming, header, service::service_fn};
use hyper_util::rt::TokioIo;
use nat_core::secret::ExposeSecret;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::{
    Request,
    fault::FaultKind,
    form::Form,
    remote::Reply,
    state::{Kept, State},
};

/// Stripe takes no larger bodies either.
const MAX_BODY: usize = 1 << 20;

/// Stripe forgets an idempotency key after a day.
const KEPT_FOR: i64 = 24 * 3600;

/// Parameters that do not even pass validation: the key may be used again.
const UNREAD: [&str; 3] = ["parameter_missing", "email_invalid", "url_invalid"];

type Shared = Arc<Mutex<State>>;
type Answer = Response<Full<Bytes>>;

fn lock(state: &Shared) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Serves until `stop`; every connection has a task that ends with it.
pub(super) async fn serve(listener: TcpListener, state: Shared, stop: CancellationToken) {
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        let Ok((socket, _)) = accepted else { continue };
        let (state, stop) = (state.clone(), stop.clone());
        tokio::spawn(async move {
            let service = service_fn(|request| handle(state.clone(), request));
            let connection = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(socket), service);
            tokio::select! {
                () = stop.cancelled() => {}
                // A client that goes away, or a connection that a fault closes, is nobody's error.
                _ = connection => {}
            }
        });
    }
}

/// The connection is closed without an answer.
#[derive(Debug)]
struct Closed;

impl std::fmt::Display for Closed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("closed on demand")
    }
}

impl std::error::Error for Closed {}

async fn handle(state: Shared, request: hyper::Request<Incoming>) -> Result<Answer, Closed> {
    let (parts, body) = request.into_parts();
    let body = match Limited::new(body, MAX_BODY).collect().await {
        Ok(body) => body.to_bytes(),
        Err(_) => return Ok(failure(413, "invalid_request_error", "", "The body is too large.")),
    };
    let text = |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let mut form = Form::parse(parts.uri.query().unwrap_or_default());
    if let Some(path) = parts.uri.path().strip_prefix("/_fake/") {
        let header = text("stripe-signature");
        let reply = lock(&state).remote(parts.method.as_str(), path, &form, &body, header.as_deref());
        return Ok(match reply {
            Reply::Json(status, body) => respond(status, "application/json", body.to_string().into()),
            Reply::Text(body) => respond(200, "text/plain", body.into()),
        });
    }
    form.0.extend(Form::parse(&String::from_utf8_lossy(&body)).0);
    let call = Request {
        method: parts.method.to_string(),
        path: parts.uri.path().to_owned(),
        form,
        idempotency_key: text("idempotency-key").filter(|_| parts.method == Method::POST),
        replayed: false,
    };
    let fault = lock(&state).take_fault(&call);
    if let Some((what, false)) = fault {
        match what {
            FaultKind::Stall(time) => tokio::time::sleep(time).await,
            other => {
                lock(&state).requests.push(call);
                return broken(other);
            }
        }
    }
    let mut answer = lock(&state).answer(call, text("authorization").as_deref());
    if let Ok(id) = lock(&state).id("req").parse() {
        answer.headers_mut().insert("request-id", id);
    }
    if let Some((what, true)) = fault {
        match what {
            FaultKind::Stall(time) => tokio::time::sleep(time).await,
            other => return broken(other),
        }
    }
    if let Some(value) = text("stripe-version").and_then(|version| version.parse().ok()) {
        answer.headers_mut().insert("stripe-version", value);
    }
    Ok(answer)
}

fn broken(what: FaultKind) -> Result<Answer, Closed> {
    match what {
        FaultKind::Status(status) => Ok(failure(status, "api_error", "", "A failure on demand.")),
        FaultKind::Html(status) => Ok(respond(status, "text/html", "<html><h1>Bad gateway</h1></html>".into())),
        FaultKind::Garbage => Ok(respond(200, "application/json", "{\"id\": \"cus_".into())),
        FaultKind::Reset | FaultKind::Stall(_) => Err(Closed),
    }
}

fn respond(status: u16, kind: &'static str, body: Bytes) -> Answer {
    let mut answer = Response::new(Full::new(body));
    *answer.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    answer.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static(kind));
    answer
}

/// An error in Stripe's form.
pub(super) fn error_body(kind: &str, code: &str, message: &str) -> Value {
    let mut error = json!({"type": kind, "message": message});
    if !code.is_empty() {
        error["code"] = json!(code);
    }
    json!({ "error": error })
}

fn failure(status: u16, kind: &str, code: &str, message: &str) -> Answer {
    respond(status, "application/json", error_body(kind, code, message).to_string().into())
}

impl State {
    fn take_fault(&mut self, call: &Request) -> Option<(FaultKind, bool)> {
        let fits = |fault: &&mut super::Fault| {
            fault.times > 0
                && call.path.starts_with(&fault.path)
                && fault.method.is_none_or(|method| method == call.method)
        };
        let fault = self.faults.iter_mut().find(fits)?;
        fault.times -= 1;
        Some((fault.what, fault.after_effect))
    }

    fn answer(&mut self, mut call: Request, authorization: Option<&str>) -> Answer {
        self.tick();
        if !self.is_authorized(authorization) {
            self.requests.push(call);
            return failure(401, "invalid_request_error", "", "Invalid API Key provided.");
        }
        let now = self.now();
        self.kept.retain(|_, kept| now - kept.since < KEPT_FOR);
        let written = format!("{} {} {:?}", call.method, call.path, call.form.0);
        if let Some(kept) = call.idempotency_key.as_ref().and_then(|key| self.kept.get(key)).cloned() {
            call.replayed = true;
            self.requests.push(call);
            if kept.request != written {
                let message = "Keys for idempotent requests can only be used with the same parameters.";
                return failure(400, "idempotency_error", "", message);
            }
            let mut answer = respond(kept.status, "application/json", kept.body.to_string().into());
            answer.headers_mut().insert("idempotent-replayed", header::HeaderValue::from_static("true"));
            return answer;
        }
        let (status, body) = self.route(&call.method, &call.path, &call.form);
        let unread = body["error"]["code"].as_str().is_some_and(|code| UNREAD.contains(&code));
        if let Some(key) = call.idempotency_key.as_ref().filter(|_| !unread) {
            self.kept.insert(key.clone(), Kept { request: written, since: now, status, body: body.clone() });
        }
        self.requests.push(call);
        respond(status, "application/json", body.to_string().into())
    }

    /// `Bearer <key>`: what every SDK sends.
    fn is_authorized(&self, authorization: Option<&str>) -> bool {
        let key = self.options.secret_key.expose_secret();
        let Some(shown) = authorization else { return false };
        shown.strip_prefix("Bearer ").is_some_and(|shown| shown == key)
    }
}
