//! Every numbered case of the design that this product promises has a test of its number.

use std::path::Path;

use crate::layout::sources;

/// The numbers in the names of test functions such as `b07_…`, of all packages.
fn tested(letter: char) -> Vec<u32> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    for package in [".", "nat-core", "nat-billing", "nat-scan", "nat-graphql", "nat-rest"] {
        for folder in ["src", "tests"] {
            sources(&root.join(package).join(folder), &mut files);
        }
    }
    let mut numbers = Vec::new();
    for file in files {
        let text = std::fs::read_to_string(&file).expect("readable");
        let mut is_test = false;
        for line in text.lines().map(str::trim) {
            let name = line.strip_prefix("async fn ").or_else(|| line.strip_prefix("fn ")).filter(|_| is_test);
            let number: Option<u32> = name.and_then(|name| name.strip_prefix(letter)?.split_once('_')?.0.parse().ok());
            numbers.extend(number);
            // Attributes stand between the one that makes a test and the function.
            is_test = line.starts_with("#[tokio::test") || line == "#[test]" || (is_test && line.starts_with("#["));
        }
    }
    numbers.sort_unstable();
    numbers.dedup();
    numbers
}

#[test]
fn every_case_of_billing_has_a_test() {
    assert_eq!(tested('b'), (1..=57).collect::<Vec<u32>>(), "B1 to B57");
    let quota: Vec<u32> = tested('q').into_iter().filter(|number| (18..=23).contains(number)).collect();
    assert_eq!(quota, (18..=23).collect::<Vec<u32>>(), "Q18 to Q23");
}

#[test]
fn every_case_of_graphql_has_a_test() {
    assert_eq!(tested('g'), (1..=33).collect::<Vec<u32>>(), "G1 to G33");
}
