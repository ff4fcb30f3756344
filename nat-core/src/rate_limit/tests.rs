use std::{num::NonZeroU32, time::Duration};

use chrono::TimeDelta;
use governor::{Quota, RateLimiter as Oracle, clock::FakeRelativeClock};
use proptest::prelude::*;

use super::*;
use crate::time::ManualClock;

struct Fixture {
    clock: Arc<ManualClock>,
    limiter: MemoryRateLimiter,
}

fn fixture(limit: u32, capacity: usize) -> Fixture {
    let plans = format!(
        "[[plan]]\nid = \"free\"\nrequests_per_minute = {limit}\n[[plan]]\nid = \"double\"\nrequests_per_minute = {}\n\
         [[plan]]\nid = \"unlimited\"\n",
        limit * 2
    );
    let clock = Arc::new(ManualClock::new(DateTime::UNIX_EPOCH));
    let plans = Arc::new(PlanCatalogue::parse(&plans).unwrap());
    Fixture { limiter: MemoryRateLimiter::with_capacity(plans, clock.clone(), capacity), clock }
}

impl Fixture {
    fn ask(&self, tenant: &str, plan: &str, cost: u32) -> RateDecision {
        self.limiter.decide(&TenantId::from(tenant), &PlanId::from(plan), cost)
    }

    fn passes(&self, tenant: &str) -> bool {
        self.ask(tenant, "free", 1).allowed
    }
}

#[test]
fn burst_is_the_limit_and_tenants_do_not_share_it() {
    let f = fixture(30, 10);
    for left in (0..30).rev() {
        let decision = f.ask("a", "free", 1);
        assert_eq!((decision.allowed, decision.remaining, decision.limit), (true, left, Some(30)));
    }
    let refused = f.ask("a", "free", 1);
    assert_eq!(
        refused,
        RateDecision { allowed: false, limit: Some(30), remaining: 0, reset_after_s: 60, retry_after_s: 2 }
    );
    assert!(f.passes("b"));
    assert_eq!(f.ask("c", "unlimited", 1_000_000).limit, None);
}

#[test]
fn retry_after_is_honest() {
    let f = fixture(30, 10);
    assert!(f.ask("a", "free", 30).allowed);
    for _ in 0..100 {
        assert_eq!(f.ask("a", "free", 1).retry_after_s, 2, "a refused request does not lengthen the wait");
    }
    f.clock.advance(TimeDelta::milliseconds(1_999));
    assert_eq!(f.ask("a", "free", 1).retry_after_s, 1, "rounded up, never 0");
    f.clock.advance(TimeDelta::milliseconds(1));
    assert!(f.passes("a"));
    assert!(!f.passes("a"));
}

#[test]
fn cost_above_the_limit_passes_only_on_a_full_bucket() {
    let f = fixture(5, 10);
    assert!(f.ask("a", "free", 1_000).allowed);
    assert_eq!(f.ask("a", "free", 1_000).retry_after_s, 60);
    f.clock.advance(TimeDelta::seconds(60));
    assert!(f.ask("a", "free", u32::MAX).allowed);
    assert_eq!(f.ask("a", "free", 0).remaining, 0);
}

#[test]
fn clock_that_is_set_back_neither_locks_out_nor_frees() {
    let f = fixture(60, 10);
    assert!(f.ask("a", "free", 60).allowed);
    f.clock.advance(TimeDelta::hours(-1));
    assert!(!f.passes("a"), "no free burst");
    f.clock.advance(TimeDelta::seconds(1));
    assert!(f.passes("a"), "no lock-out");
    assert!(!f.passes("a"));
}

#[test]
fn plan_change_keeps_the_requests_already_sent() {
    let f = fixture(30, 10);
    assert_eq!(f.ask("a", "free", 30).remaining, 0);
    assert_eq!(f.ask("a", "double", 1).remaining, 29, "upgrade: 60 - 30 - 1");
    assert_eq!(f.ask("a", "double", 29).remaining, 0);
    let downgraded = f.ask("a", "free", 1);
    assert_eq!((downgraded.allowed, downgraded.remaining, downgraded.retry_after_s), (false, 0, 2));
}

#[test]
fn full_table_never_frees_a_debt() {
    let f = fixture(2, 3);
    for tenant in ["a", "b", "c"] {
        assert!(f.ask(tenant, "free", 2).allowed);
    }
    assert!(f.ask("d", "free", 2).allowed, "the shared bucket");
    assert!(!f.passes("e") && !f.passes("d"), "is shared");
    assert!(!f.passes("a"), "and no debt was dropped for it");
    assert_eq!(f.limiter.state.lock().unwrap().buckets.len(), 4);
    f.clock.advance(TimeDelta::seconds(61));
    assert!(f.passes("e"));
    assert_eq!(f.limiter.state.lock().unwrap().buckets.len(), 1, "idle buckets went");
}

#[test]
fn threads_share_one_burst() {
    let f = fixture(30, 10);
    let passed = &|| (0..20).filter(|_| f.passes("a")).count();
    let total: usize = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(passed)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert_eq!(total, 30);
}

proptest! {
    #[test]
    fn gcra_agrees_with_governor(
        limit in prop::sample::select(vec![1u32, 5, 30, 120, 300, 1_000]),
        steps in prop::collection::vec((0u64..5_000, 1u32..4), 1..200),
    ) {
        let f = fixture(limit, 10);
        let clock = FakeRelativeClock::default();
        let quota = Quota::per_minute(NonZeroU32::new(limit).unwrap());
        let oracle = Oracle::direct_with_clock(quota, clock.clone());
        for (wait_ms, cost) in steps {
            f.clock.advance(TimeDelta::milliseconds(i64::try_from(wait_ms).unwrap()));
            clock.advance(Duration::from_millis(wait_ms));
            let cost = cost.min(limit);
            let wanted = oracle.check_n(NonZeroU32::new(cost).unwrap()).unwrap().is_ok();
            prop_assert_eq!(f.ask("a", "free", cost).allowed, wanted);
        }
    }

    #[test]
    fn any_window_admits_at_most_burst_and_rate(
        limit in 1u32..200,
        waits_ms in prop::collection::vec(0i64..2_000, 1..300),
    ) {
        let f = fixture(limit, 10);
        let mut passed_at_ms = Vec::new();
        let mut now_ms = 0;
        for wait_ms in waits_ms {
            f.clock.advance(TimeDelta::milliseconds(wait_ms));
            now_ms += wait_ms;
            if f.passes("a") {
                passed_at_ms.push(now_ms);
            }
        }
        for (first, start) in passed_at_ms.iter().enumerate() {
            for (last, end) in passed_at_ms.iter().enumerate().skip(first) {
                let most = f64::from(limit) * (1.0 + (end - start) as f64 / 60_000.0);
                prop_assert!((last - first + 1) as f64 <= most + 1e-6);
            }
        }
    }

    #[test]
    fn retry_after_is_enough_for_a_lone_request(limit in 1u32..2_000, cost in 1u32..50, wait_ms in 0i64..60_000) {
        let f = fixture(limit, 10);
        f.ask("a", "free", limit);
        f.clock.advance(TimeDelta::milliseconds(wait_ms));
        let decision = f.ask("a", "free", cost);
        if !decision.allowed {
            f.clock.advance(TimeDelta::seconds(i64::from(decision.retry_after_s)));
            prop_assert!(f.ask("a", "free", cost).allowed);
        }
    }
}
