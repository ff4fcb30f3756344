//! An API in the process, for tests of the engine: a closure answers.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use url::Url;

use super::{Connect, EnginePorts, Event, EventSink, Now, ScanConfig, ScanKind, SpecSource};
use crate::identity::Credentials;
use crate::policy::{PinnedTarget, Resolve, TargetPolicy};
use crate::spec::{Api, Operation, SpecVersion};
use crate::transport::{Limits, Request, Response, Transport, TransportError};

pub(super) type Answer = Result<Response, TransportError>;
type Handler = Arc<dyn Fn(&Request) -> Answer + Send + Sync>;

/// An answer.
pub(crate) fn respond(status: u16, media: &str, body: &str) -> Response {
    let headers = if media.is_empty() { Vec::new() } else { vec![("Content-Type".to_owned(), media.into())] };
    Response {
        status,
        headers,
        body: Bytes::copy_from_slice(body.as_bytes()),
        truncated: false,
        unexpected_bytes: 0,
        elapsed: Duration::from_millis(1),
        wire_bytes: 100 + body.len() as u64,
    }
}

pub(super) fn json(status: u16, body: &str) -> Answer {
    Ok(respond(status, "application/json", body))
}

/// Answers after `delay`; counts what it was asked.
pub(super) struct FakeApi {
    handler: Handler,
    delay: Duration,
    /// Requests that are answered at all.
    answered: u64,
    asked: tokio::sync::watch::Sender<u64>,
    pub(super) requests: AtomicU64,
    pub(super) log: Mutex<Vec<Request>>,
}

impl FakeApi {
    pub(super) fn new(handler: impl Fn(&Request) -> Answer + Send + Sync + 'static) -> Arc<Self> {
        Self::slow(Duration::ZERO, handler)
    }

    pub(super) fn slow(delay: Duration, handler: impl Fn(&Request) -> Answer + Send + Sync + 'static) -> Arc<Self> {
        Arc::new(Self::build(delay, u64::MAX, handler))
    }

    /// Never answers after the first `answered` requests.
    pub(super) fn stalling_after(
        answered: u64,
        handler: impl Fn(&Request) -> Answer + Send + Sync + 'static,
    ) -> Arc<Self> {
        Arc::new(Self::build(Duration::ZERO, answered, handler))
    }

    fn build(delay: Duration, answered: u64, handler: impl Fn(&Request) -> Answer + Send + Sync + 'static) -> Self {
        Self {
            handler: Arc::new(handler),
            delay,
            answered,
            asked: tokio::sync::watch::Sender::new(0),
            requests: AtomicU64::new(0),
            log: Mutex::new(Vec::new()),
        }
    }

    /// Waits until so many requests came.
    pub(super) async fn is_asked(&self, times: u64) {
        self.asked.subscribe().wait_for(|asked| *asked >= times).await.unwrap();
    }

    pub(super) fn count(&self) -> u64 {
        self.requests.load(Ordering::SeqCst)
    }
}

struct FakeTransport(Arc<FakeApi>);

#[async_trait]
impl Transport for FakeTransport {
    async fn send(&self, request: &Request, _fresh: bool) -> Answer {
        let number = self.0.requests.fetch_add(1, Ordering::SeqCst);
        self.0.log.lock().unwrap().push(request.clone());
        self.0.asked.send_replace(number + 1);
        if number >= self.0.answered {
            std::future::pending::<()>().await;
        }
        if !self.0.delay.is_zero() {
            // Some answers overtake others, so that an order that depends on it would show.
            tokio::time::sleep(self.0.delay * (1 + u32::try_from(number % 3).unwrap())).await;
        }
        (self.0.handler)(request)
    }

    fn origin(&self) -> &str {
        "http://api.test"
    }
}

struct FakeConnect(Arc<FakeApi>);

impl Connect for FakeConnect {
    fn connect(&self, _target: &PinnedTarget, _limits: Limits, _scan_id: &str) -> Arc<dyn Transport> {
        Arc::new(FakeTransport(Arc::clone(&self.0)))
    }
}

struct FakeNames;

#[async_trait]
impl Resolve for FakeNames {
    async fn resolve(&self, host: &str, port: u16) -> std::io::Result<Vec<SocketAddr>> {
        match host {
            "api.test" => {
                Ok(vec![SocketAddr::from(([203, 0, 113, 7], port)), SocketAddr::from(([127, 0, 0, 1], port))])
            }
            _ => Err(std::io::ErrorKind::NotFound.into()),
        }
    }
}

struct FixedNow;

impl Now for FixedNow {
    fn now(&self) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH
    }
}

pub(super) fn ports(api: &Arc<FakeApi>) -> EnginePorts {
    EnginePorts {
        policy: TargetPolicy { hosted: false, deny: Vec::new(), resolver: Arc::new(FakeNames) },
        connect: Arc::new(FakeConnect(Arc::clone(api))),
        now: Arc::new(FixedNow),
    }
}

pub(super) fn config(spec: Option<&str>) -> ScanConfig {
    ScanConfig {
        kind: ScanKind::Functional,
        target: Url::parse("http://api.test").unwrap(),
        spec: spec.map_or(SpecSource::Discover, |spec| SpecSource::Bytes { bytes: spec.into(), base: None }),
        callback: None,
        credentials: Credentials::None,
        second_credentials: None,
        admin_credentials: None,
        profile: super::Profile::Quiet,
        concurrency: 4,
        limits: Limits::default(),
        max_requests: 2_000,
        max_duration: Duration::from_secs(600),
        max_bytes: 100 << 20,
        exclude: Vec::new(),
        seed: 7,
        safe_mode: false,
        clean_up: true,
        scan_id: "scan_test".to_owned(),
    }
}

/// Keeps the events.
pub(super) fn recorder() -> (EventSink, Arc<Mutex<Vec<Event>>>) {
    let events = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&events);
    (Arc::new(move |event| kept.lock().unwrap().push(event)), events)
}

pub(super) fn api_with(operations: Vec<Operation>) -> Api {
    Api {
        title: "Test".to_owned(),
        version: "1".to_owned(),
        spec_version: SpecVersion::V31,
        servers: Vec::new(),
        operations,
        security_schemes: BTreeMap::new(),
        oauth_flows: Vec::new(),
        warnings: Vec::new(),
        digest: String::new(),
    }
}

/// `GET` without parameters and documented answers.
pub(crate) fn operation(path: &str) -> Operation {
    Operation {
        index: 0,
        method: "GET".to_owned(),
        path: path.to_owned(),
        operation_id: None,
        tags: Vec::new(),
        parameters: Vec::new(),
        body: None,
        responses: Vec::new(),
        security: Vec::new(),
        deprecated: false,
        pointer: String::new(),
        unusable: None,
    }
}
