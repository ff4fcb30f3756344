//! Which kind of request to send next: discounted Thompson sampling.
//!
//! Each arm has a Beta posterior of being worth a request. One draw an arm ranks them, so that arms of which little is
//! known are tried, too; what was learned long ago counts less and less, because arms run dry.

use rand_chacha::ChaCha8Rng;
use rand_distr::{Beta, Distribution};

/// How much of what was known remains after one more answer.
const DISCOUNT: f64 = 0.99;
/// Failures that every arm begins with: most answers show nothing new.
const DOUBT: f64 = 3.0;

/// One arm.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Arm {
    /// Successes that it begins with.
    prior: f64,
    wins: f64,
    losses: f64,
}

impl Arm {
    /// `prior`: how good such arms are as a rule, above 0.
    pub(super) const fn new(prior: f64) -> Self {
        Self { prior, wins: 0.0, losses: 0.0 }
    }

    /// An answer was worth `reward`; 0: nothing new.
    pub(super) fn learn(&mut self, reward: f64) {
        self.wins = self.wins * DISCOUNT + reward;
        self.losses = self.losses * DISCOUNT + f64::from(u8::from(reward == 0.0));
    }

    /// A guess at its worth, 0 to 1.
    fn draw(&self, rng: &mut ChaCha8Rng) -> f64 {
        Beta::new(self.prior + self.wins, DOUBT + self.losses).map_or(0.0, |beta| beta.sample(rng))
    }
}

/// The `count` arms that look best in one draw, best first. Equal arms and stream, equal answer.
pub(super) fn best<K: Copy + Ord>(arms: impl Iterator<Item = (K, Arm)>, count: usize, rng: &mut ChaCha8Rng) -> Vec<K> {
    let mut drawn: Vec<(f64, K)> = arms.map(|(key, arm)| (arm.draw(rng), key)).collect();
    drawn.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
    drawn.into_iter().take(count).map(|(_, key)| key).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generate::{Phase, rng};

    #[test]
    fn arms_that_pay_are_chosen_more_often_and_none_is_forgotten() {
        let mut arms = [Arm::new(1.0); 4];
        let mut chosen = [0; 4];
        for turn in 0..400 {
            let mut rng = rng::stream(1, "", Phase::Random, turn);
            let best = best(arms.iter().copied().enumerate(), 1, &mut rng)[0];
            chosen[best] += 1;
            arms[best].learn(if best == 2 && turn % 4 == 0 { 1.0 } else { 0.0 });
        }
        assert!(chosen[2] > 150 && chosen.iter().all(|count| *count > 5), "{chosen:?}");
    }

    #[test]
    fn success_of_long_ago_fades() {
        let mut arm = Arm::new(1.0);
        (0..20).for_each(|_| arm.learn(1.0));
        (0..600).for_each(|_| arm.learn(0.0));
        assert!(arm.wins < 0.1 && arm.losses < 100.5);
    }
}
