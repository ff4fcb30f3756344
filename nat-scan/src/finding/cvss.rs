//! CVSS 3.1 base scores, as section 7.1 and appendix A of its specification define them.

use super::Severity;

/// The base score of `CVSS:3.1/AV:…/AC:…/PR:…/UI:…/S:…/C:…/I:…/A:…`, metrics in any order; none when one of the eight
/// is missing, unknown or repeated.
#[must_use]
pub fn base_score(vector: &str) -> Option<f32> {
    let metrics = vector.strip_prefix("CVSS:3.1/")?;
    let metric = |name: &str| {
        let mut found = metrics.split('/').filter_map(|part| part.split_once(':')).filter(|(key, _)| *key == name);
        let (_, value) = found.next()?;
        found.next().is_none().then_some(value)
    };
    let changed = match metric("S")? {
        "U" => false,
        "C" => true,
        _ => return None,
    };
    let attack_vector = pick(metric("AV")?, &[("N", 0.85), ("A", 0.62), ("L", 0.55), ("P", 0.2)])?;
    let complexity = pick(metric("AC")?, &[("L", 0.77), ("H", 0.44)])?;
    let privileges = match changed {
        false => pick(metric("PR")?, &[("N", 0.85), ("L", 0.62), ("H", 0.27)])?,
        true => pick(metric("PR")?, &[("N", 0.85), ("L", 0.68), ("H", 0.5)])?,
    };
    let interaction = pick(metric("UI")?, &[("N", 0.85), ("R", 0.62)])?;
    let impact_weight = |name| pick(metric(name)?, &[("H", 0.56), ("L", 0.22), ("N", 0.0)]);
    let untouched = (1.0 - impact_weight("C")?) * (1.0 - impact_weight("I")?) * (1.0 - impact_weight("A")?);

    let sub_score: f64 = 1.0 - untouched;
    let impact = match changed {
        false => 6.42 * sub_score,
        true => 7.52 * (sub_score - 0.029) - 3.25 * (sub_score - 0.02).powi(15),
    };
    if impact <= 0.0 {
        return Some(0.0);
    }
    let exploitability = 8.22 * attack_vector * complexity * privileges * interaction;
    let total = if changed { 1.08 * (impact + exploitability) } else { impact + exploitability };
    Some(round_up(total.min(10.0)))
}

fn pick(value: &str, weights: &[(&str, f64)]) -> Option<f64> {
    weights.iter().find(|(name, _)| *name == value).map(|(_, weight)| *weight)
}

/// Up to one decimal, in integers so that 4.02 does not become 4.1 by a binary fraction (appendix A).
#[expect(clippy::cast_possible_truncation, reason = "scores are at most 10")]
fn round_up(score: f64) -> f32 {
    let hundred_thousandths = (score * 100_000.0).round() as i32;
    let tenths = match hundred_thousandths % 10_000 {
        0 => hundred_thousandths / 10_000,
        _ => hundred_thousandths / 10_000 + 1,
    };
    (f64::from(tenths) / 10.0) as f32
}

/// The qualitative band of a score.
#[must_use]
pub fn severity_of(score: f32) -> Severity {
    match score {
        score if score >= 9.0 => Severity::Critical,
        score if score >= 7.0 => Severity::High,
        score if score >= 4.0 => Severity::Medium,
        score if score > 0.0 => Severity::Low,
        _ => Severity::Info,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base_score_known_vectors_agree_with_the_published_calculator() {
        for (vector, expected) in [
            ("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H", Some(9.8)),
            ("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:C/C:H/I:H/A:H", Some(10.0)),
            ("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:N/A:N", Some(7.5)),
            ("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:N", Some(9.1)),
            ("CVSS:3.1/AV:N/AC:L/PR:L/UI:N/S:U/C:H/I:N/A:N", Some(6.5)),
            ("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:L/I:N/A:N", Some(5.3)),
            ("CVSS:3.1/AV:N/AC:H/PR:N/UI:N/S:U/C:L/I:N/A:N", Some(3.7)),
            ("CVSS:3.1/AV:N/AC:L/PR:N/UI:R/S:C/C:L/I:L/A:N", Some(6.1)),
            ("CVSS:3.1/AV:L/AC:L/PR:L/UI:N/S:U/C:H/I:H/A:H", Some(7.8)),
            ("CVSS:3.1/AV:P/AC:H/PR:H/UI:R/S:C/C:L/I:N/A:N", Some(1.8)),
            ("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:N", Some(0.0)),
            ("CVSS:3.1/S:U/C:H/I:N/A:N/AV:N/AC:L/PR:N/UI:N", Some(7.5)),
            ("CVSS:3.0/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:N/A:N", None),
            ("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:N", None),
            ("CVSS:3.1/AV:N/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:N/A:N", None),
            ("CVSS:3.1/AV:X/AC:L/PR:N/UI:N/S:U/C:H/I:N/A:N", None),
        ] {
            assert_eq!(base_score(vector), expected, "{vector}");
        }
    }

    #[test]
    fn severity_of_score_follows_the_bands() {
        for (score, expected) in [
            (0.0, Severity::Info),
            (0.1, Severity::Low),
            (3.9, Severity::Low),
            (4.0, Severity::Medium),
            (6.9, Severity::Medium),
            (7.0, Severity::High),
            (8.9, Severity::High),
            (9.0, Severity::Critical),
        ] {
            assert_eq!(severity_of(score), expected, "{score}");
        }
    }
}
