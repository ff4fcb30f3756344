//! The security half of the farm: each area alone, and all together, with two users of the scan's own and an administrator.

use std::fmt::Write as _;

use nat::sample::farm::security::{ADMIN, AREAS, Area, router};
use nat::sample::farm::{Mutant, Switches};
use nat_scan::engine::{Outcome, Profile, ScanConfig, ScanKind};
use nat_scan::identity::{Credentials, SignUp};
use tokio::net::TcpListener;

use super::{details, few, is_of, strangers};
use crate::engine;

async fn scan(on: Switches, areas: &[Area], seed: u64) -> Outcome {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let target = format!("http://{}", listener.local_addr().expect("an address"));
    let server = tokio::spawn(axum::serve(listener, router(on, areas)).into_future());
    let key = "0123456789abcdef0123456789abcdef".to_owned().into();
    let config = ScanConfig {
        kind: ScanKind::Security,
        credentials: Credentials::SignUp(SignUp { key, always: true }),
        admin_credentials: Some(Credentials::User {
            username: ADMIN.0.to_owned(),
            password: ADMIN.1.to_owned().into(),
        }),
        profile: Profile::Thorough,
        max_requests: 20_000 * areas.len() as u64,
        max_bytes: 256 << 20,
        seed,
        scan_id: "scan_farm".to_owned(),
        ..engine::config(&target, "/openapi.json")
    };
    let outcome = engine::run(config).await;
    server.abort();
    assert_eq!(outcome.failure, None, "{:?}", outcome.notices);
    outcome
}

/// Every mutant of the areas is found with each seed, no look-alike is reported, and nothing else is, with everything
/// on and with everything off. The table of what was found.
async fn judge(areas: &[Area], seeds: u64) -> String {
    let mutants: Vec<Mutant> = areas.iter().flat_map(|area| area.mutants).copied().collect();
    let (mut loud, mut quiet) = (Vec::new(), Vec::new());
    for seed in 1..=seeds {
        loud.push((seed, scan(Switches::of(&mutants), areas, seed).await));
        if seed <= seeds.div_ceil(5) {
            quiet.push((seed, scan(Switches::none(), areas, seed).await));
        }
    }
    let mut table = String::from("mutant | check | endpoint | found | look-alike reported\n");
    let mut missed = Vec::new();
    for mutant in &mutants {
        let count = |is: &dyn Fn(&nat_scan::finding::Finding) -> bool| {
            loud.iter().filter(|(_, outcome)| outcome.findings.iter().any(is)).count()
        };
        let found = count(&|finding| is_of(finding, mutant));
        let twin = count(&|finding| finding.check_id == mutant.check && finding.endpoint == mutant.twin);
        let all = loud.len();
        let often = |count: usize| match count {
            0 => "never".to_owned(),
            count if count == all => "every seed".to_owned(),
            count => format!("{count}/{all}"),
        };
        let (shown, told) = (often(found), often(twin));
        let _ = writeln!(table, "{} | {} | {} | {shown} | {told}", mutant.id, mutant.check, mutant.endpoint);
        if found < all {
            missed.push(format!("{} {} in {found}/{all}", mutant.check, mutant.id));
        }
    }
    let (of_loud, of_quiet) = (strangers(&loud, &mutants), strangers(&quiet, &[]));
    assert!(
        missed.is_empty() && of_loud.is_empty() && of_quiet.is_empty(),
        "{table}\nmissed {missed:#?}\nstrangers {of_loud:#?}\n{}\nwith everything off {of_quiet:#?}\n{}",
        details(&loud, &mutants),
        details(&quiet, &[])
    );
    table
}

macro_rules! areas {
    ($($name:ident),*) => {$(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $name() {
            let area = AREAS.iter().find(|area| area.name == stringify!($name)).expect("an area");
            insta::assert_snapshot!(stringify!($name), judge(&[*area], few()).await);
        }
    )*};
}

/// Everything of one target: what one check learns or leaves behind disturbs no other, and no check stops before the end.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn together() {
    insta::assert_snapshot!("together", judge(AREAS, 1).await);
}

areas!(authentication, authorization, configuration, document, exposure, forgery, graphql, injection, limits);
