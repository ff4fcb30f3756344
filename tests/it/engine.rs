//! The engine alone, without a server: how the tests of this folder scan.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use nat_scan::engine::{self, EnginePorts, Now, Outcome, Profile, ScanConfig, ScanKind, SpecSource};
use nat_scan::identity::Credentials;
use nat_scan::policy::{SystemResolver, TargetPolicy};
use nat_scan::transport::{Limits, http::HttpConnect};
use tokio_util::sync::CancellationToken;

struct Epoch;

impl Now for Epoch {
    fn now(&self) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH
    }
}

/// A functional scan of a target on loopback by the document at this path; tests change what they are about.
pub(crate) fn config(target: &str, document: &str) -> ScanConfig {
    ScanConfig {
        kind: ScanKind::Functional,
        target: target.parse().expect("a URL"),
        spec: SpecSource::Url(format!("{target}{document}").parse().expect("a URL")),
        callback: None,
        credentials: Credentials::None,
        second_credentials: None,
        admin_credentials: None,
        profile: Profile::Quiet,
        concurrency: 4,
        limits: Limits::default(),
        max_requests: 10_000,
        max_duration: Duration::from_secs(120),
        max_bytes: 64 << 20,
        exclude: Vec::new(),
        seed: 1,
        safe_mode: false,
        clean_up: true,
        scan_id: "scan_test".to_owned(),
    }
}

/// Runs it at a moment that does not pass.
pub(crate) async fn run(config: ScanConfig) -> Outcome {
    run_until(config, CancellationToken::new()).await
}

/// The same, to be stopped.
pub(crate) async fn run_until(config: ScanConfig, cancel: CancellationToken) -> Outcome {
    engine::run(config, ports(), Arc::new(|_| {}), cancel).await
}

/// The real network at a moment that does not pass.
pub(crate) fn ports() -> EnginePorts {
    EnginePorts {
        policy: TargetPolicy { hosted: false, deny: Vec::new(), resolver: Arc::new(SystemResolver) },
        connect: Arc::new(HttpConnect::new()),
        now: Arc::new(Epoch),
    }
}
