//! The walls of the house, checked: who may depend on whom, and what may stand where.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// The drawn edges of `docs/ARCHITECTURE.md`. An edge that is not here is forbidden.
const EDGES: &[(&str, &[&str])] = &[
    ("nat", &["nat-billing", "nat-core", "nat-graphql", "nat-rest", "nat-scan"]),
    ("nat-rest", &["nat-billing", "nat-core", "nat-scan"]),
    ("nat-graphql", &["nat-billing", "nat-core", "nat-scan"]),
    ("nat-billing", &["nat-core"]),
    ("nat-scan", &["nat-core"]),
    ("nat-core", &[]),
];

/// What must not appear in the normal dependencies of a crate.
const FORBIDDEN: &[(&str, &[&str])] = &[
    ("nat", &["sea-orm", "hmac"]),
    ("nat-rest", &["sea-orm", "async-stripe", "async-graphql", "reqwest"]),
    ("nat-graphql", &["sea-orm", "async-stripe", "reqwest", "utoipa"]),
    ("nat-billing", &["axum", "async-graphql", "reqwest"]),
    ("nat-scan", &["axum", "async-graphql", "async-stripe"]),
    ("nat-core", &["axum", "http", "async-graphql", "async-stripe", "reqwest"]),
];

/// Words that may appear only in files below the given folders, over all `src` folders.
const ONLY_BELOW: &[(&str, &[&str])] = &[
    ("sea_orm::", &["nat-core/src/db", "nat-billing/src/db", "nat-scan/src/db"]),
    ("httparse::", &["nat-scan/src/transport"]),
    // The fake Stripe delivers its events over a socket of its own; the farm asks what it is told to ask.
    ("TcpStream::connect", &["nat-scan/src/transport", "nat-billing/src/testing", "src/sample/farm/security"]),
    // The farm has a GraphQL endpoint of its own, to be scanned.
    ("async_graphql::", &["nat-graphql/src", "src/sample/farm/security/graphql"]),
    ("stripe_client_core", &["nat-billing/src/stripe"]),
    ("StripeError", &["nat-billing/src/stripe"]),
    ("#[allow(", &[]),
    ("#![allow(", &[]),
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn metadata() -> Value {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--no-deps", "--offline"])
        .current_dir(root())
        .output()
        .expect("cargo runs");
    serde_json::from_slice(&output.stdout).expect("cargo metadata is JSON")
}

fn normal_dependencies(package: &Value) -> BTreeSet<String> {
    let dependencies = package["dependencies"].as_array().expect("a list");
    let normal = dependencies.iter().filter(|dependency| dependency["kind"].is_null());
    normal.filter_map(|dependency| dependency["name"].as_str()).map(str::to_owned).collect()
}

/// Every Rust file below `folder`.
pub(crate) fn sources(folder: &Path, into: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            sources(&path, into);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            into.push(path);
        }
    }
}

fn all_sources() -> Vec<PathBuf> {
    let mut files = Vec::new();
    for (name, _) in EDGES {
        let folder = if *name == "nat" { root().join("src") } else { root().join(name).join("src") };
        sources(&folder, &mut files);
    }
    assert!(files.len() > 40, "the sources were found");
    files
}

fn relative(path: &Path) -> String {
    path.strip_prefix(root()).expect("inside").to_string_lossy().replace('\\', "/")
}

#[test]
fn edges_are_those_that_are_drawn() {
    let metadata = metadata();
    let packages = metadata["packages"].as_array().expect("packages");
    let ours: BTreeSet<&str> = EDGES.iter().map(|(name, _)| *name).collect();
    let found: BTreeSet<&str> = packages.iter().filter_map(|package| package["name"].as_str()).collect();
    assert_eq!(found, ours, "the packages of the workspace");
    for (name, allowed) in EDGES {
        let package = packages.iter().find(|package| package["name"] == **name).expect("present");
        let inside: BTreeSet<String> =
            normal_dependencies(package).into_iter().filter(|dependency| ours.contains(dependency.as_str())).collect();
        let allowed: BTreeSet<String> = allowed.iter().map(|name| (*name).to_owned()).collect();
        assert!(inside.is_subset(&allowed), "{name} depends on {inside:?}, may depend on {allowed:?}");
    }
}

#[test]
fn crates_know_nothing_of_wires_and_stores_that_are_not_theirs() {
    let metadata = metadata();
    let packages = metadata["packages"].as_array().expect("packages");
    for (name, forbidden) in FORBIDDEN {
        let package = packages.iter().find(|package| package["name"] == **name).expect("present");
        let dependencies = normal_dependencies(package);
        for word in *forbidden {
            assert!(!dependencies.contains(*word), "{name} must not depend on {word}");
        }
    }
}

#[test]
fn words_stand_only_where_they_belong() {
    // Tests may look behind the curtain.
    for path in all_sources().into_iter().filter(|path| !path.ends_with("tests.rs")) {
        let text = std::fs::read_to_string(&path).expect("readable");
        let place = relative(&path);
        for (word, folders) in ONLY_BELOW {
            let below = folders.iter().any(|folder| place.starts_with(folder));
            assert!(below || !text.contains(word), "{place} contains {word}, which belongs below {folders:?}");
        }
    }
}

#[test]
fn engine_modules_know_no_store_job_or_tenant() {
    let engine = [
        "check",
        "classify",
        "engine",
        "finding",
        "gate",
        "generate",
        "identity",
        "policy",
        "replay",
        "report",
        "schema",
        "spec",
        "transport",
    ];
    for path in all_sources() {
        let place = relative(&path);
        let Some(module) = place.strip_prefix("nat-scan/src/") else { continue };
        if engine.iter().any(|name| module.starts_with(name)) {
            let text = std::fs::read_to_string(&path).expect("readable");
            for word in ["nat_core", "TenantId", "JobQueue"] {
                assert!(!text.contains(word), "{place} mentions {word}");
            }
        }
    }
}

#[test]
fn files_stay_small() {
    let mut large: Vec<String> = Vec::new();
    for path in all_sources() {
        let lines = std::fs::read_to_string(&path).expect("readable").lines().count();
        if lines > 800 {
            large.push(format!("{} has {lines} lines", relative(&path)));
        }
    }
    assert!(large.is_empty(), "the design wants a new room: {large:#?}");
}

#[test]
fn top_level_is_the_agreed_one() {
    for name in
        ["Cargo.toml", "Cargo.lock", "README.md", "LICENSE-MIT", "LICENSE-APACHE", "docs", "tests", "src", ".ci/run"]
    {
        assert!(root().join(name).exists(), "{name} is missing");
    }
}
