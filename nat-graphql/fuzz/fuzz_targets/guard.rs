//! What passes the guard is parsed, validated and executed: a crash, a hang, or more than 200 ms is a finding.
#![no_main]

use std::cell::RefCell;
use std::time::{Duration, Instant};

use async_graphql::{EmptyMutation, EmptySubscription, InputObject, Object, Schema};
use libfuzzer_sys::fuzz_target;

#[path = "../../src/guard.rs"]
mod guard;

struct Query;

/// A value inside itself, as deep as a document likes.
#[derive(InputObject)]
#[graphql(name = "In")]
struct Input {
    o: Option<Box<Input>>,
    l: Option<Vec<Input>>,
    s: Option<String>,
}

#[Object]
impl Query {
    async fn me(&self) -> Self {
        Self
    }

    async fn list(&self, a: Option<Vec<Vec<Vec<i32>>>>, o: Option<Input>) -> Vec<Self> {
        let _ = a;
        o.map(|input| vec![Self; usize::from(input.o.is_some() || input.l.is_some() || input.s.is_some())]).unwrap_or_default()
    }

    async fn s(&self, x: Option<String>) -> Option<String> {
        x
    }
}

type Tiny = Schema<Query, EmptyMutation, EmptySubscription>;

thread_local! {
    static SCHEMA: Tiny = Schema::build(Query, EmptyMutation, EmptySubscription).limit_depth(20).limit_directives(10).finish();
    static RUNTIME: RefCell<tokio::runtime::Runtime> =
        RefCell::new(tokio::runtime::Builder::new_current_thread().build().expect("a runtime"));
}

fuzz_target!(|query: &str| {
    let began = Instant::now();
    if guard::check(query, &guard::Limits::default()).is_err() {
        return;
    }
    let schema = SCHEMA.with(Clone::clone);
    RUNTIME.with(|runtime| runtime.borrow().block_on(schema.execute(query)));
    // A build with sanitizers is some ten times slower than one without.
    assert!(began.elapsed() < Duration::from_millis(2_000), "{:?} for {} bytes", began.elapsed(), query.len());
});
