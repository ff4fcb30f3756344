//! What passes the guard is parsed, validated and executed: a crash, a stack that overflows, a hang, or more than two
//! seconds under the sanitizer is a finding. A panic of the library is none: the facade catches it.
#![no_main]

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook};
use std::sync::Once;
use std::time::{Duration, Instant};

use async_graphql::{EmptyMutation, EmptySubscription, InputObject, Object, Schema};
use libfuzzer_sys::fuzz_target;

#[path = "../../src/guard/mod.rs"]
mod guard;

#[derive(Clone)]
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
    // The fuzzer's own hook would end the process at any panic.
    static QUIET: Once = Once::new();
    QUIET.call_once(|| set_hook(Box::new(|_| {})));
    let schema = SCHEMA.with(Clone::clone);
    let run = || RUNTIME.with(|runtime| runtime.borrow().block_on(schema.execute(query)));
    let _ = catch_unwind(AssertUnwindSafe(run));
    // A build with sanitizers is some ten times slower than one without.
    if began.elapsed() > Duration::from_secs(2) {
        eprintln!("{:?} for {} bytes", began.elapsed(), query.len());
        std::process::abort();
    }
});
