//! What authentication notes for later: last uses and refusals. Bounded, in memory, written by `ApiKeys::flush`, so
//! that a slow or absent writer never slows a request down.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use chrono::{DateTime, DurationRound, TimeDelta, Utc};

use crate::{KeyId, TenantId};

/// Keys with something to note in one minute; what is above is dropped.
const MAX_NOTES: usize = 10_000;

/// The real reason of a 401, for the tenant's audit log only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Denial {
    WrongSecret,
    Revoked,
    Expired,
}

impl Denial {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::WrongSecret => "wrong_secret",
            Self::Revoked => "revoked",
            Self::Expired => "expired",
        }
    }
}

/// A refusal of a key that exists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) tenant_id: TenantId,
    pub(super) key_id: KeyId,
    pub(super) denial: Denial,
    pub(super) minute: DateTime<Utc>,
}

#[derive(Default)]
pub(super) struct Notes(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    uses: HashMap<KeyId, DateTime<Utc>>,
    /// Written ones stay until their minute is over, so that a key gets one line a minute and reason.
    refusals: HashMap<(KeyId, Denial), (Refusal, bool)>,
}

impl Notes {
    /// Notes a use, to the minute, unless the store knows of it.
    pub(super) fn used(&self, key_id: &KeyId, known: Option<DateTime<Utc>>, now: DateTime<Utc>) {
        let minute = minute_of(now);
        if known.is_some_and(|known| known >= minute) {
            return;
        }
        let mut inner = self.lock();
        if let Some(last) = inner.uses.get_mut(key_id) {
            *last = minute.max(*last);
        } else if inner.uses.len() < MAX_NOTES {
            inner.uses.insert(key_id.clone(), minute);
        }
    }

    /// Notes a refusal, at most one a minute, key and reason.
    pub(super) fn refused(&self, tenant_id: &TenantId, key_id: &KeyId, denial: Denial, now: DateTime<Utc>) {
        let minute = minute_of(now);
        let mut inner = self.lock();
        let place = (key_id.clone(), denial);
        let known = inner.refusals.get(&place).is_some_and(|(refusal, _)| refusal.minute >= minute);
        if known || inner.refusals.len() >= MAX_NOTES {
            return;
        }
        let refusal = Refusal { tenant_id: tenant_id.clone(), key_id: key_id.clone(), denial, minute };
        inner.refusals.insert(place, (refusal, false));
    }

    pub(super) fn take_uses(&self) -> Vec<(KeyId, DateTime<Utc>)> {
        self.lock().uses.drain().collect()
    }

    /// Puts back what could not be written.
    pub(super) fn return_uses(&self, uses: Vec<(KeyId, DateTime<Utc>)>) {
        for (key_id, minute) in uses {
            self.used(&key_id, None, minute);
        }
    }

    pub(super) fn unwritten_refusals(&self) -> Vec<Refusal> {
        self.lock().refusals.values().filter(|(_, written)| !written).map(|(refusal, _)| refusal.clone()).collect()
    }

    /// Marks refusals as written and forgets those of minutes that are over.
    pub(super) fn refusals_written(&self, refusals: &[Refusal], now: DateTime<Utc>) {
        let minute = minute_of(now);
        let mut inner = self.lock();
        for refusal in refusals {
            if let Some(entry) = inner.refusals.get_mut(&(refusal.key_id.clone(), refusal.denial))
                && entry.0 == *refusal
            {
                entry.1 = true;
            }
        }
        inner.refusals.retain(|_, (refusal, written)| !*written || refusal.minute >= minute);
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn minute_of(at: DateTime<Utc>) -> DateTime<Utc> {
    at.duration_trunc(TimeDelta::minutes(1)).unwrap_or(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_700_000_040 + second, 0).unwrap()
    }

    #[test]
    fn use_is_noted_once_a_minute_and_never_backwards() {
        let (notes, key) = (Notes::default(), KeyId::from("k"));
        for second in 0..60 {
            notes.used(&key, None, at(second));
        }
        notes.used(&key, None, at(-500));
        assert_eq!(notes.take_uses(), [(key.clone(), at(0))]);
        notes.used(&key, Some(at(0)), at(59));
        assert_eq!(notes.take_uses(), []);
        notes.used(&key, Some(at(0)), at(60));
        notes.return_uses(vec![(key.clone(), at(0))]);
        assert_eq!(notes.take_uses(), [(key, at(60))]);
    }

    #[test]
    fn refusal_is_noted_once_a_minute_and_reason() {
        let (notes, tenant, key) = (Notes::default(), TenantId::from("t"), KeyId::from("k"));
        notes.refused(&tenant, &key, Denial::Revoked, at(0));
        let first = notes.unwritten_refusals();
        assert_eq!(first.len(), 1);
        notes.refusals_written(&first, at(1));
        notes.refused(&tenant, &key, Denial::Revoked, at(59));
        assert_eq!(notes.unwritten_refusals(), [], "same minute");
        notes.refused(&tenant, &key, Denial::Expired, at(59));
        notes.refused(&tenant, &key, Denial::Revoked, at(60));
        assert_eq!(notes.unwritten_refusals().len(), 2);
        notes.refusals_written(&notes.unwritten_refusals(), at(600));
        assert!(notes.lock().refusals.is_empty(), "nothing is kept for good");
    }

    #[test]
    fn notes_are_bounded() {
        let notes = Notes::default();
        for number in 0..MAX_NOTES + 10 {
            let key = KeyId::new(number.to_string());
            notes.used(&key, None, at(0));
            notes.refused(&TenantId::from("t"), &key, Denial::WrongSecret, at(0));
        }
        assert_eq!((notes.take_uses().len(), notes.unwritten_refusals().len()), (MAX_NOTES, MAX_NOTES));
    }
}
