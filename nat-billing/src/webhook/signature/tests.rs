use proptest::prelude::*;

use super::*;

const PAYLOAD: &[u8] = br#"{"id":"evt_test_webhook","object":"event"}"#;
const SECRET: &str = "whsec_test_secret";
const AT: i64 = 1_700_000_000;
const GOOD: &str = "d95c6b7477fbd7e9f90b1b0ef5f9c7ac25abca5382460e0d988c2b2a5b71b990";

fn secrets(texts: &[&str]) -> Vec<SecretString> {
    texts.iter().map(|text| SecretString::from(*text)).collect()
}

fn at(second: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(second, 999_999_999).unwrap()
}

#[track_caller]
fn check(header: &str, wanted: Result<(), SignatureError>) {
    let found = verify(PAYLOAD, Some(header), &secrets(&[SECRET]), at(AT));
    assert_eq!(found, wanted, "{}", &header[..header.len().min(200)]);
}

#[test]
fn published_vector_is_reproduced() {
    check(&format!("t={AT},v1={GOOD}"), Ok(()));
    assert_eq!(sign(PAYLOAD, &SecretString::from(SECRET), at(AT)), format!("t={AT},v1={GOOD}"));
}

#[test]
fn one_good_signature_among_others_is_enough() {
    let wrong = "0".repeat(64);
    check(&format!("t={AT},v1={wrong},v1={GOOD}"), Ok(()));
    check(&format!("t={AT},v1={GOOD},v1={wrong}"), Ok(()));
    check(&format!("v1={GOOD},v0=junk,t={AT}"), Ok(()));
    check(&format!("t={AT},v1=zz,v1=,v1={GOOD}"), Ok(()));
    let full: String = (0..63).map(|_| format!(",v1={wrong}")).collect();
    check(&format!("t={AT}{full},v1={GOOD}"), Ok(()));
}

#[test]
fn header_that_proves_nothing_is_refused_and_says_why() {
    use SignatureError::{Malformed, Missing, NoMatch};
    check("", Err(Missing));
    assert_eq!(verify(PAYLOAD, None, &secrets(&[SECRET]), at(AT)), Err(Missing));
    check(&format!("t={AT},v1={}", "0".repeat(64)), Err(NoMatch));
    check(&format!("t={AT},v1={}", GOOD.to_uppercase()), Err(NoMatch));
    check(&format!("t={AT},v1={}", &GOOD[..63]), Err(NoMatch));
    check(&format!("t={AT},v1={GOOD}0"), Err(NoMatch));
    check(&format!("t={AT},v1= {GOOD}"), Err(NoMatch));
    check(&format!("t={AT},v0={GOOD}"), Err(Malformed("no v1 signature")));
    check(&format!("v1={GOOD}"), Err(Malformed("no timestamp")));
    check(&format!("t={AT},t={AT},v1={GOOD}"), Err(Malformed("more than one timestamp")));
    for t in ["abc", "", "-1", "+1700000000", "1700000000 ", "1e9", "99999999999999999999999"] {
        check(&format!("t={t},v1={GOOD}"), Err(Malformed("the timestamp is not a number")));
    }
    check(&format!("t={AT},v1"), Err(Malformed("an item is not of the form name=value")));
    check(&format!("T={AT},V1={GOOD}"), Err(Malformed("no timestamp")));
    check(&format!("t={AT}{}", ",v1=0".repeat(65)), Err(Malformed("more than 64 v1 signatures")));
    check(&format!("t={AT}{}", format!(",v1={GOOD}").repeat(10_000)), Err(Malformed("it is longer than 16 KiB")));
}

#[test]
fn timestamp_may_be_off_by_three_hundred_seconds_either_way() {
    for (offset, wanted) in [
        (0, Ok(())),
        (299, Ok(())),
        (300, Ok(())),
        (-300, Ok(())),
        (301, Err(SignatureError::OutsideTolerance)),
        (-301, Err(SignatureError::OutsideTolerance)),
        (86_400, Err(SignatureError::OutsideTolerance)),
        (-86_400, Err(SignatureError::OutsideTolerance)),
    ] {
        let header = format!("t={AT},v1={GOOD}");
        assert_eq!(verify(PAYLOAD, Some(&header), &secrets(&[SECRET]), at(AT + offset)), wanted, "{offset}");
    }
}

#[test]
fn every_byte_of_the_payload_counts() {
    let header = sign(PAYLOAD, &SecretString::from(SECRET), at(AT));
    let refused = |payload: &[u8]| {
        assert_eq!(verify(payload, Some(&header), &secrets(&[SECRET]), at(AT)), Err(SignatureError::NoMatch));
    };
    for position in 0..PAYLOAD.len() {
        let mut changed = PAYLOAD.to_vec();
        changed[position] ^= 1;
        refused(&changed);
    }
    refused(&[PAYLOAD, b" "].concat());
    refused(b"");
}

#[test]
fn secrets_are_tried_in_any_order_and_none_matches_nothing() {
    let header = format!("t={AT},v1={GOOD}");
    let verdict = |texts: &[&str]| verify(PAYLOAD, Some(&header), &secrets(texts), at(AT));
    assert_eq!(verdict(&["whsec_new", SECRET]), Ok(()));
    assert_eq!(verdict(&[SECRET, "whsec_new"]), Ok(()));
    assert_eq!(verdict(&["whsec_new"]), Err(SignatureError::NoMatch));
    assert_eq!(verdict(&[]), Err(SignatureError::NoMatch));
}

#[test]
fn message_never_holds_the_expected_value() {
    let header = format!("t={AT},v1={}", "0".repeat(64));
    let error = verify(PAYLOAD, Some(&header), &secrets(&[SECRET]), at(AT)).unwrap_err();
    let body = serde_json::to_string(&Error::from(error).body()).unwrap();
    assert!(body.contains("INVALID_SIGNATURE") && !body.contains(GOOD) && !body.contains(SECRET), "{body}");
}

/// Pieces that a header is made of, so that random headers come close to good ones.
fn pieces() -> impl Strategy<Value = String> {
    prop_oneof![
        Just(format!("t={AT}")),
        Just(format!("v1={}", GOOD.to_uppercase())),
        Just(format!("v0={GOOD}")),
        "t=[0-9a-z +-]{0,14}",
        "v1=[0-9a-f]{0,70}",
        "[tv1=, ]{0,8}",
        "\\PC{0,12}",
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10_000))]

    #[test]
    fn malformed_header_is_refused_without_panic(parts in prop::collection::vec(pieces(), 0..8)) {
        let header = parts.join(",");
        prop_assert!(verify(PAYLOAD, Some(&header), &secrets(&[SECRET]), at(AT)).is_err(), "{}", header);
    }

    #[test]
    fn signed_payload_is_accepted_and_only_with_its_secret(
        payload: Vec<u8>, secret in "[ -~]{1,80}", second in 0i64..100_000_000_000, off in -300i64..=300,
    ) {
        let header = sign(&payload, &SecretString::from(secret.as_str()), at(second));
        let now = DateTime::from_timestamp(second + off, 0).unwrap();
        prop_assert_eq!(verify(&payload, Some(&header), &secrets(&[&secret]), now), Ok(()));
        let other = format!("{secret}x");
        prop_assert_eq!(verify(&payload, Some(&header), &secrets(&[&other]), now), Err(SignatureError::NoMatch));
    }
}
