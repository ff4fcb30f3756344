//! A target that dies under a request is a finding; one that is away for a moment is not.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::fake::{Answer, FakeApi, ports};
use super::resume_tests::{Toys, settings};
use super::run::Equipment;
use super::*;
use crate::finding::Severity;
use crate::transport::{Request, TransportError};

/// With the patience of a real scan: the clock stands still.
async fn scan(api: &Arc<FakeApi>) -> Outcome {
    let config = settings(ScanKind::Functional);
    let equipment = Equipment::of(config.kind, config.profile);
    let (sink, cancel) = (Arc::new(|_| {}), CancellationToken::new());
    super::run::run(config, ports(api), sink, cancel, equipment, Journal::none()).await
}

/// Brings the target down: a toy whose name is a number.
fn is_deadly(request: &Request) -> bool {
    request.method == "POST" && request.body.as_deref().is_some_and(|body| body == br#"{"name":4711}"#)
}

fn crashed(outcome: &Outcome) -> Vec<&crate::finding::Finding> {
    outcome.findings.iter().filter(|finding| finding.check_id == "F003").collect()
}

#[tokio::test(start_paused = true)]
async fn target_that_dies_after_a_request_is_a_critical_finding() {
    for (last, later) in [
        (TransportError::Empty, TransportError::Connect("refused".to_owned())),
        (TransportError::Timeout(Duration::from_secs(30)), TransportError::Timeout(Duration::from_secs(30))),
    ] {
        let (toys, dead) = (Toys::default(), AtomicBool::new(false));
        let api = FakeApi::new(move |request| -> Answer {
            if dead.load(Ordering::SeqCst) {
                return Err(later.clone());
            }
            if is_deadly(request) {
                dead.store(true, Ordering::SeqCst);
                return Err(last.clone());
            }
            toys.answer(request)
        });
        let begin = Instant::now();
        let outcome = scan(&api).await;
        assert!(begin.elapsed() >= Duration::from_secs(10), "it was watched for {:?}", begin.elapsed());
        assert_eq!(outcome.failure, None, "there is a verdict");
        let [finding] = crashed(&outcome)[..] else { panic!("{:?}", outcome.notices) };
        assert_eq!((finding.severity, finding.endpoint.as_str()), (Severity::Critical, "POST /toys"));
        let before = finding.explanation.split("The last requests before were: ").nth(1).unwrap();
        assert!(before.matches("; ").count() >= 2, "{before}");
        let controls = finding.evidence.iter().filter(|evidence| evidence.role == "control").count();
        assert!(controls >= 3, "{controls}");
        assert!(finding.evidence[0].request.contains("4711"), "{}", finding.evidence[0].request);
        assert!(outcome.notices.iter().any(|notice| notice.contains("stopped answering")), "{:?}", outcome.notices);
    }
}

#[tokio::test(start_paused = true)]
async fn target_that_comes_back_is_no_finding() {
    let (toys, until) = (Toys::default(), std::sync::Mutex::new(None));
    let api = FakeApi::new(move |request| -> Answer {
        let mut until = until.lock().unwrap();
        if is_deadly(request) && until.is_none() {
            *until = Some(Instant::now() + Duration::from_secs(2));
        }
        match *until {
            Some(until) if Instant::now() < until => Err(TransportError::Connect("refused".to_owned())),
            _ => toys.answer(request),
        }
    });
    let outcome = scan(&api).await;
    assert_eq!(outcome.failure, None);
    assert!(crashed(&outcome).is_empty(), "{:?}", outcome.findings);
    assert!(outcome.operations.iter().all(|operation| operation.covered), "it goes on: {:?}", outcome.operations);
    assert!(!outcome.notices.iter().any(|notice| notice.contains("answering")), "{:?}", outcome.notices);
}

#[tokio::test(start_paused = true)]
async fn request_that_keeps_the_target_busy_is_found_though_it_is_busy_for_its_control_too() {
    let (toys, until) = (Toys::default(), std::sync::Mutex::new(Instant::now()));
    let api = FakeApi::new(move |request| -> Answer {
        let mut until = until.lock().unwrap();
        if is_deadly(request) {
            *until = Instant::now() + Duration::from_secs(5);
        }
        if Instant::now() < *until {
            Err(TransportError::Timeout(Duration::from_secs(10)))
        } else {
            toys.answer(request)
        }
    });
    let outcome = scan(&api).await;
    let hangs: Vec<_> = outcome.findings.iter().filter(|finding| finding.check_id == "F002").collect();
    let [finding] = hangs[..] else { panic!("{hangs:#?} {:?}", outcome.notices) };
    assert_eq!(finding.endpoint, "POST /toys");
    assert!(finding.evidence[0].request.contains("4711"), "{}", finding.evidence[0].request);
}

#[tokio::test(start_paused = true)]
async fn target_that_was_never_there_is_unreachable_not_crashed() {
    let api = FakeApi::new(|request| match request.target.as_str() {
        // The probe is answered, and nothing that is tested.
        "/" => Err(TransportError::HeadTooLarge),
        _ => Err(TransportError::Connect("refused".to_owned())),
    });
    let outcome = scan(&api).await;
    assert!(crashed(&outcome).is_empty());
    assert!(outcome.notices.iter().any(|notice| notice.contains("became unreachable")), "{:?}", outcome.notices);
}
