//! What the log and the metrics see, and what they must never see.

use std::cell::RefCell;
use std::io;
use std::sync::{Arc, Mutex, Once};

use metrics::{Counter, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::dynamic_filter_fn;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::app::with_app;

/// Everything that was written, as text.
#[derive(Clone, Default)]
struct Sink(Arc<Mutex<Vec<u8>>>);

impl Sink {
    fn push(&self, text: &str) {
        self.0.lock().expect("no panic").extend_from_slice(text.as_bytes());
    }

    fn text(&self) -> String {
        String::from_utf8(self.0.lock().expect("no panic").clone()).expect("UTF-8")
    }
}

impl io::Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("no panic").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Notes the name and the labels of every metric.
impl Recorder for Sink {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        self.push(&format!("{key}\n"));
        Counter::noop()
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        self.push(&format!("{key}\n"));
        Gauge::noop()
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        self.push(&format!("{key}\n"));
        Histogram::noop()
    }
}

thread_local! {
    /// Where the log of this thread goes; each test runs on one thread.
    static LOG: RefCell<Option<Sink>> = const { RefCell::new(None) };
}

fn log_of_this_thread() -> Option<Sink> {
    LOG.with_borrow(Clone::clone)
}

/// Installs the log of all tests, before any of them calls the application: a subscriber that comes while another thread
/// meets a line for the first time may never hear of that line.
pub(crate) fn install_log() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        let writer = || log_of_this_thread().unwrap_or_default();
        let layer = tracing_subscriber::fmt::layer().with_ansi(false).with_writer(writer);
        let wanted = dynamic_filter_fn(|_, _| log_of_this_thread().is_some());
        tracing_subscriber::registry().with(layer.with_filter(wanted)).init();
    });
}

#[tokio::test]
async fn logs_and_metrics_name_routes_and_no_secret() {
    let (log, metrics) = (Sink::default(), Sink::default());
    LOG.set(Some(log.clone()));
    let _metrics = metrics::set_default_local_recorder(&metrics);

    with_app(async |app| {
        let key = app.tenant("tenant-name", "free").await;
        app.call("GET", "/usage?page=query-text", &[("x-api-key", &key), ("x-request-id", "req-7")], "").await;
        app.call("GET", &format!("/usage?api_key={key}"), &[("cookie", &format!("api_key={key}"))], "").await;
        app.call("GET", "/usage", &[("authorization", &format!("Bearer {key}"))], "").await;
        app.get("/scan/scan_of_mine", &key).await;
        app.call("BREW", &format!("/usage/{key}"), &[("x-api-key", &key)], "").await;
        app.post("/keys", &key, &format!(r#"{{"name":7,"x":"{key}"}}"#)).await;
        let auth = r#"{"url":"http://127.0.0.1:1","auth":{"type":"bearer","token":"target-token"}}"#;
        assert_eq!(app.post("/scan", &key, auth).await.status, 202);

        let (log, metrics) = (log.text(), metrics.text());
        for (name, text) in [("log", &log), ("metrics", &metrics)] {
            for secret in [&key[17..], "query-text", "target-token", crate::app::SYNC_KEY] {
                assert!(!text.contains(secret), "{secret} in the {name}: {text}");
            }
            assert!(text.contains("/api/v1/scan/{id}"), "{name}: {text}");
        }
        assert!(log.contains("request_id=req-7") && log.contains("NOT_FOUND"), "{log}");
        for private in ["tenant-name", "scan_of_mine", &key[..17]] {
            assert!(!metrics.contains(private), "{private}: {metrics}");
        }
        let (method, route) = ("method = OTHER", "route = (unknown)");
        assert!(metrics.lines().any(|line| line.contains(method) && line.contains(route)), "{metrics}");
        for name in ["nat_http_requests_total", "nat_http_request_duration_seconds"] {
            assert!(metrics.contains(name), "{metrics}");
        }
    })
    .await;
}
