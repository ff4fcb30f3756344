//! What a few times say: their middle, how far they spread, and whether they lie on a line.

/// The middle of the values; the mean of the two in the middle when their number is even.
pub(super) fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let half = sorted.len() / 2;
    match sorted.len() {
        0 => None,
        length if length % 2 == 1 => sorted.get(half).copied(),
        _ => Some((sorted.get(half - 1)? + sorted.get(half)?) / 2.0),
    }
}

/// The median of the distances from the median (MAD).
pub(super) fn deviation(values: &[f64]) -> Option<f64> {
    let middle = median(values)?;
    median(&values.iter().map(|value| (value - middle).abs()).collect::<Vec<_>>())
}

/// From the smallest to the largest.
pub(super) fn spread(values: &[f64]) -> f64 {
    let least = values.iter().copied().fold(f64::INFINITY, f64::min);
    let most = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if values.is_empty() { 0.0 } else { most - least }
}

/// Where usual times lie.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Band {
    pub(super) middle: f64,
    pub(super) width: f64,
}

/// How many (normalised) deviations are usual.
const DEVIATIONS: f64 = 6.0;
/// Turns a MAD into a standard deviation, were the times normally distributed.
const NORMAL: f64 = 1.4826;

impl Band {
    /// Around these times, and not narrower than `least` to either side. `None` without times.
    pub(super) fn around(values: &[f64], least: f64) -> Option<Self> {
        let width = (deviation(values)? * NORMAL * DEVIATIONS).max(least);
        Some(Self { middle: median(values)?, width })
    }

    pub(super) fn holds(&self, value: f64) -> bool {
        (value - self.middle).abs() <= self.width
    }
}

/// The line nearest to points, by least squares.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Line {
    pub(super) slope: f64,
    pub(super) start: f64,
    /// Pearson's r.
    pub(super) correlation: f64,
}

impl Line {
    /// `None` when the points do not determine one: fewer than two places, or all values alike.
    pub(super) fn through(points: &[(f64, f64)]) -> Option<Self> {
        let count = points.len() as f64;
        let mean = |pick: fn(&(f64, f64)) -> f64| points.iter().map(pick).sum::<f64>() / count;
        let (x, y) = (mean(|point| point.0), mean(|point| point.1));
        let sum =
            |pick: &dyn Fn(f64, f64) -> f64| points.iter().map(|point| pick(point.0 - x, point.1 - y)).sum::<f64>();
        let (xx, yy, xy) = (sum(&|dx, _| dx * dx), sum(&|_, dy| dy * dy), sum(&|dx, dy| dx * dy));
        let line = Self { slope: xy / xx, start: y - xy / xx * x, correlation: xy / (xx * yy).sqrt() };
        let is_finite = line.slope.is_finite() && line.start.is_finite() && line.correlation.is_finite();
        (points.len() > 1 && is_finite).then_some(line)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn times() -> impl Strategy<Value = Vec<f64>> {
        prop::collection::vec(0.0..10.0f64, 1..40)
    }

    proptest! {
        #[test]
        fn median_lies_between_and_halves_the_values(values in times()) {
            let middle = median(&values).expect("there are values");
            let below = values.iter().filter(|value| **value < middle).count();
            let above = values.iter().filter(|value| **value > middle).count();
            prop_assert!(below * 2 <= values.len() && above * 2 <= values.len());
        }

        #[test]
        fn deviation_does_not_care_where_and_in_which_order(values in times(), shift in -5.0..5.0f64) {
            let mut moved: Vec<f64> = values.iter().map(|value| value + shift).collect();
            moved.reverse();
            let (one, other) = (deviation(&values).expect("some"), deviation(&moved).expect("some"));
            prop_assert!((one - other).abs() < 1e-9);
            prop_assert!(one <= spread(&values) + 1e-9);
        }

        #[test]
        fn deviation_ignores_one_stall_among_many(values in prop::collection::vec(0.1..0.2f64, 7..20)) {
            let mut stalled = values.clone();
            stalled.push(3.0);
            prop_assert!(deviation(&stalled).expect("some") <= 0.1);
            prop_assert!(spread(&stalled) > 1.0);
        }

        #[test]
        fn band_holds_its_middle_and_half_of_its_values(values in times(), least in 0.0..1.0f64) {
            let band = Band::around(&values, least).expect("some");
            prop_assert!(band.holds(band.middle) && band.width >= least);
            prop_assert!(values.iter().filter(|value| band.holds(**value)).count() * 2 >= values.len());
        }

        #[test]
        fn line_through_points_of_a_line_is_that_line(slope in 0.1..5.0f64, start in -2.0..2.0f64) {
            let points: Vec<(f64, f64)> = [0.0, 0.5, 1.5, 1.0, 0.0, 2.0].map(|x| (x, start + slope * x)).to_vec();
            let line = Line::through(&points).expect("a line");
            prop_assert!((line.slope - slope).abs() < 1e-9 && (line.start - start).abs() < 1e-9);
            prop_assert!((line.correlation - 1.0).abs() < 1e-9);
        }

        #[test]
        fn correlation_is_between_minus_one_and_one(points in prop::collection::vec((0.0..5.0f64, 0.0..5.0f64), 0..20)) {
            if let Some(line) = Line::through(&points) {
                prop_assert!(line.correlation.abs() <= 1.0 + 1e-9);
            }
        }
    }

    #[test]
    fn too_little_has_no_middle_and_no_line() {
        assert_eq!((median(&[]), deviation(&[]), Band::around(&[], 1.0)), (None, None, None));
        assert_eq!(spread(&[]), 0.0);
        for points in [&[][..], &[(1.0, 1.0)], &[(1.0, 1.0), (1.0, 2.0)], &[(0.0, 1.0), (1.0, 1.0)]] {
            assert_eq!(Line::through(points), None, "{points:?}");
        }
    }
}
