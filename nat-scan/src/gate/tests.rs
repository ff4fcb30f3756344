use std::collections::BTreeMap;

use chrono::DateTime;
use proptest::prelude::*;

use super::*;
use crate::engine::OperationOutcome;

fn finding(id: &str, check: &str, endpoint: &str, severity: Severity, confidence: Confidence) -> Finding {
    Finding {
        id: id.to_owned(),
        check_id: check.to_owned(),
        title: "Title # of  it".to_owned(),
        severity,
        confidence,
        endpoint: endpoint.to_owned(),
        location: "header Allow".to_owned(),
        cwe: Vec::new(),
        owasp: None,
        cvss: None,
        description: String::new(),
        explanation: String::new(),
        remediation: String::new(),
        evidence: Vec::new(),
        curl: String::new(),
        first_seen: DateTime::UNIX_EPOCH,
        occurrences: 1,
        spec_pointer: None,
        cause: String::new(),
        steps: Vec::new(),
        origin: None,
    }
}

fn outcome() -> Outcome {
    let mut outcome = Outcome::blank("functional", "http://h", 1, DateTime::UNIX_EPOCH);
    let operation = |path: &str, covered| OperationOutcome {
        method: "GET".to_owned(),
        path: path.to_owned(),
        operation_id: None,
        requests: 1,
        statuses: BTreeMap::new(),
        covered,
        reason: None,
    };
    outcome.operations =
        vec![operation("/a", true), operation("/b", true), operation("/c", true), operation("/d", false)];
    outcome.requests = 40;
    outcome.findings = vec![
        finding("aa", "F001", "GET /a", Severity::High, Confidence::Firm),
        finding("bb", "F064", "GET /b", Severity::High, Confidence::Tentative),
        finding("cc", "S-CORS", "*", Severity::Critical, Confidence::Confirmed),
        finding("dd", "F010", "GET /a", Severity::Low, Confidence::Firm),
    ];
    outcome
}

fn day(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

#[test]
fn expression_counts_what_it_names() {
    let outcome = outcome();
    let baseline = Baseline::parse(
        "# nat baseline 1\naa  high  F001  GET /a  # known\ne0  low  F010  GET /b\ne1  low  F010  GET /d\n",
    )
    .unwrap();
    let rules = Rules::parse("check=S-* op=\"*\" expires=2027-01-01 reason=\"the gateway does that\"").unwrap();
    let review = Review::of(&outcome, &baseline, &rules, day("2026-11-26"));
    assert_eq!(review.statuses, [Status::Unchanged, Status::New, Status::Suppressed, Status::New]);
    // Nothing was fixed where nothing was asked.
    assert_eq!(review.gone.iter().map(|gone| gone.fixed).collect::<Vec<_>>(), [true, false]);
    let check = |text: &str, expected: Option<&str>| {
        let gate = Gate::parse(text, |name| review.value(name).is_some()).unwrap();
        let fails = gate.fails(|name| review.value(name)).map(|held| held.join(", "));
        assert_eq!(fails.as_deref(), expected, "{text}");
    };
    check("new.high > 0", Some("new.high (1) > 0"));
    check(DEFAULT, None);
    check("all.critical>0", None);
    check("firm.high>0 && unchanged.high==1", Some("firm.high (1) > 0, unchanged.high (1) == 1"));
    check("new.firm.any >= 1", Some("new.firm.any (1) >= 1"));
    check("fixed.low != 1 || fixed.any < 1", None);
    check("coverage.ops2xx < 0.8", Some("coverage.ops2xx (0.75) < 0.8"));
    check("coverage.covered<3 || requests<=39", None);
    check("!(requests < 100 && !(tentative.high > 0))", Some(""));
    check(&at_least(Severity::High), Some("new.high (1) > 0"));
    assert!(parse(DEFAULT).is_ok() && parse(&at_least(Severity::Info)).is_ok() && parse("new > 0").is_err());
    check("1 > 0 || new.low > 7 && 2 > 3", Some("1 > 0"));
}

#[test]
fn fault_of_an_expression_has_its_column() {
    let check = |text: &str, column: usize, message: &str| {
        let error = Gate::parse(text, |name| name == "new.high").unwrap_err();
        assert_eq!((error.column, error.message.contains(message)), (column, true), "{text}: {error}");
    };
    check("", 1, "a number or a name");
    check("new.high", 9, "a comparison");
    check("new.high > ", 12, "a number or a name");
    check("new.high > 0 new.high > 1", 14, "an operator");
    check("new.hihg > 0", 1, "'new.hihg' is not known");
    check("(new.high > 0", 14, "parenthesis");
    check("new.high > 0)", 13, "an operator");
    check("new.high = 0", 10, "'=' means nothing");
    check("é", 1, "means nothing");
    check("new.high > 1.2.3", 12, "no number");
    check(&"!".repeat(100), 65, "too deeply");
}

#[test]
fn expired_lines_and_rules_count_no_more_and_it_is_said() {
    let outcome = outcome();
    let baseline = Baseline::parse("aa  high  F001  GET /a  owner=anna  expires=2026-11-25").unwrap();
    let rules = Rules::parse("\n# a comment\nop=\"GET /b\" expires=2026-11-25 reason=later").unwrap();
    let review = Review::of(&outcome, &baseline, &rules, day("2026-11-26"));
    assert_eq!(review.statuses[..2], [Status::New, Status::New]);
    assert_eq!(
        review.notices,
        [
            "The baseline accepts F001 GET /a no more: its day is over.",
            "Rule 3 (later) expired on 2026-11-25 and suppresses nothing any more."
        ]
    );
    let review = Review::of(&outcome, &baseline, &rules, day("2026-11-25"));
    assert_eq!(review.statuses[..2], [Status::Unchanged, Status::Suppressed]);
}

#[test]
fn rule_without_reason_or_day_is_refused() {
    let check = |line: &str, why: &str| {
        let error = Rules::parse(line).unwrap_err();
        assert!(error.starts_with("line 1: ") && error.contains(why), "{line}: {error}");
    };
    check("check=F001 expires=2027-01-01", "reason");
    check("check=F001 expires=2027-01-01 reason=\" \"", "reason");
    check("check=F001 reason=x", "expires");
    check("check=F001 reason=x expires=soon", "no day");
    check("reason=x expires=2027-01-01", "at least one");
    check("chekc=F001", "none of");
    check("check=\"F001", "does not end");
    check("check=F001 check=F002", "twice");
    check("check", "key=value");
}

#[test]
fn baseline_keeps_what_people_wrote_when_it_is_updated() {
    let text = "# nat baseline 1\n\
                aa  low  F001  GET /a  owner=anna b  expires=2027-01-31  # issue 12\n\
                ee  high  F002  GET /e\n";
    let baseline = Baseline::parse(text).unwrap();
    assert_eq!(baseline.to_text(), text);
    let updated = baseline.updated(&outcome().findings).without(&["ee"]);
    assert_eq!(
        updated.to_text(),
        "# nat baseline 1\n\
         aa  high  F001  GET /a  owner=anna b  expires=2027-01-31  # issue 12\n\
         bb  high  F064  GET /b  # Title - of it\n\
         cc  critical  S-CORS  *  # Title - of it\n\
         dd  low  F010  GET /a  # Title - of it\n"
    );
    let blank = Finding { title: " ".to_owned(), ..outcome().findings[0].clone() };
    let text = Baseline::default().updated([&blank]).to_text();
    assert_eq!(Baseline::parse(&text).unwrap().to_text(), text);
    for (line, why) in [
        ("zz  high  F001  GET /a", "no fingerprint"),
        ("aa  hot  F001  GET /a", "no severity"),
        ("aa  high  F001", "the operation is missing"),
        ("aa  high  F001  GET /a  expires=x", "no day"),
        ("aa  high  F001  GET /a  what", "neither"),
    ] {
        assert!(Baseline::parse(line).unwrap_err().contains(why), "{line}");
    }
}

proptest! {
    #[test]
    fn any_text_is_parsed_or_refused(text in "[ a-z0-9.<>=!&|()é]{0,40}") {
        if let Err(error) = Gate::parse(&text, |_| true) {
            prop_assert!(error.column >= 1 && error.column <= text.chars().count() + 1);
        }
        let _ = (Baseline::parse(&text), Rules::parse(&text));
    }

    /// Whatever a title or path holds, the file it is written to reads back.
    #[test]
    fn baseline_of_any_finding_reads_back(title in any::<String>(), path in "[^\u{0}-\u{20}#=]{1,20}") {
        let mut one = finding("ab", "F001", &format!("GET /{path}"), Severity::Low, Confidence::Firm);
        one.title = title;
        let text = Baseline::default().updated([&one]).to_text();
        let read = Baseline::parse(&text).unwrap();
        prop_assert_eq!(read.to_text(), text);
    }
}
