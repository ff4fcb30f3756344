//! Whether times grow faster than what they are for, as a pure function of measurements.

/// Points that a curve needs.
pub(super) const MIN_POINTS: usize = 4;
const MIN_FIT: f64 = 0.95;
/// A character more makes it slower by this factor at least.
const MIN_FACTOR: f64 = 1.25;
/// Of a power: less is what honest programs do.
const MIN_POWER: f64 = 1.7;
/// Below, a time is noise.
const NOISE_MS: f64 = 4.0;

/// One measurement: length of the repeated part, and milliseconds.
pub(super) type Measured = (usize, f64);

/// How it grows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Growth {
    /// By this factor a step.
    Exponential(f64),
    /// With this power of the length.
    Power(f64),
}

/// The measurements that stand out from `base`, in order, as far as each is larger than the one before.
pub(super) fn standing_out(measured: &[Measured], base: f64) -> Vec<Measured> {
    let mut sorted: Vec<Measured> = measured.to_vec();
    sorted.sort_by_key(|(length, _)| *length);
    let mut tail: Vec<Measured> = Vec::new();
    for (length, time) in sorted.into_iter().rev() {
        let grows = tail.last().is_none_or(|(_, later)| time < *later);
        if time < base + NOISE_MS || !grows {
            break;
        }
        tail.push((length, time));
    }
    tail.reverse();
    tail
}

/// The curve through the measurements, if it is one of the two.
pub(super) fn growth(measured: &[Measured], base: f64) -> Option<Growth> {
    let points = standing_out(measured, base);
    if points.len() < MIN_POINTS {
        return None;
    }
    let logarithm = |(_, time): &Measured| (time - base).max(1.0).ln();
    let times: Vec<f64> = points.iter().map(logarithm).collect();
    let lengths: Vec<f64> = points.iter().map(|(length, _)| *length as f64).collect();
    let (rate, fit) = line(&lengths, &times);
    let logarithms: Vec<f64> = lengths.iter().map(|length| length.ln()).collect();
    let (power, power_fit) = line(&logarithms, &times);
    // Over a few neighbouring lengths both fit; no power is that steep.
    if fit > MIN_FIT && rate.exp() >= MIN_FACTOR {
        return Some(Growth::Exponential(rate.exp()));
    }
    (power_fit > MIN_FIT && power >= MIN_POWER).then_some(Growth::Power(power))
}

/// Slope and r² of the least-squares line.
fn line(xs: &[f64], ys: &[f64]) -> (f64, f64) {
    let count = xs.len() as f64;
    let mean = |values: &[f64]| values.iter().sum::<f64>() / count;
    let (mx, my) = (mean(xs), mean(ys));
    let sum = |f: &dyn Fn(f64, f64) -> f64| xs.iter().zip(ys).map(|(x, y)| f(x - mx, y - my)).sum::<f64>();
    let (sxx, sxy, syy) = (sum(&|x, _| x * x), sum(&|x, y| x * y), sum(&|_, y| y * y));
    if sxx == 0.0 || syy == 0.0 {
        return (0.0, 0.0);
    }
    (sxy / sxx, sxy * sxy / (sxx * syy))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn curves_are_told_from_noise() {
        let table: [(&str, Vec<Measured>, Option<&str>); 6] = [
            ("doubling", (10..24).map(|n| (n, 2.0 + 0.000_05 * 2_f64.powi(n as i32))).collect(), Some("exponential")),
            ("cube", (2..14).map(|k| (k * 100, 2.0 + 1e-7 * (k as f64 * 100.0).powi(3))).collect(), Some("power")),
            ("flat", (10..24).map(|n| (n, 2.0)).collect(), None),
            ("slow and flat", (10..24).map(|n| (n, 90.0 + (n % 3) as f64)).collect(), None),
            ("one outlier", (10..24).map(|n| (n, if n == 23 { 400.0 } else { 2.0 })).collect(), None),
            ("linear", (1..20).map(|k| (k * 100, 2.0 + k as f64 * 10.0)).collect(), None),
        ];
        for (name, measured, expected) in table {
            let found = growth(&measured, 2.0).map(|growth| match growth {
                Growth::Exponential(_) => "exponential",
                Growth::Power(_) => "power",
            });
            assert_eq!(found, expected, "{name}");
        }
    }
}
