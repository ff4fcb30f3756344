//! What the farm remembers, in memory and bounded.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use serde_json::Value;

/// Things on one shelf; the oldest goes when one more comes.
const MAX_THINGS: usize = 2_000;
/// Users, and tokens.
const MAX_USERS: usize = 1_000;

/// One thing.
#[derive(Clone)]
pub(super) struct Thing {
    /// Counts over all shelves: newer is larger.
    pub(super) number: u64,
    pub(super) value: Value,
    /// Counts changes.
    pub(super) version: u64,
    pub(super) made: Instant,
    pub(super) deleted: bool,
    /// The id of the thing that it belongs to.
    pub(super) parent: String,
}

/// Things by id.
#[derive(Default)]
pub(super) struct Shelf {
    pub(super) things: BTreeMap<String, Thing>,
    /// Bodies and ids by idempotency key.
    pub(super) keys: BTreeMap<String, (Value, String)>,
}

impl Shelf {
    pub(super) fn put(&mut self, id: String, thing: Thing) {
        while self.things.len() >= MAX_THINGS {
            let oldest = self.things.iter().min_by_key(|(_, thing)| thing.number).map(|(id, _)| id.clone());
            oldest.and_then(|id| self.things.remove(&id));
        }
        if self.keys.len() >= MAX_THINGS {
            self.keys.clear();
        }
        self.things.insert(id, thing);
    }
}

#[derive(Default)]
pub(super) struct State {
    pub(super) shelves: BTreeMap<&'static str, Shelf>,
    users: BTreeMap<String, String>,
    tokens: BTreeMap<String, String>,
    /// Wrong passwords in a row.
    misses: BTreeMap<String, u32>,
    ticks: u64,
}

impl State {
    pub(super) fn tick(&mut self) -> u64 {
        self.ticks += 1;
        self.ticks
    }
}

/// All of it.
#[derive(Default)]
pub(super) struct Shelves(Mutex<State>);

impl Shelves {
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Another number each time.
    pub(super) fn tick(&self) -> u64 {
        self.state().tick()
    }

    /// False: the name is taken.
    pub(super) fn register(&self, name: &str, password: &str) -> bool {
        let mut state = self.state();
        if state.users.contains_key(name) || state.users.len() >= MAX_USERS {
            return false;
        }
        state.users.insert(name.to_owned(), password.to_owned()).is_none()
    }

    /// False: there is no such user.
    pub(super) fn set_password(&self, name: &str, password: &str) -> bool {
        let mut state = self.state();
        state.users.get_mut(name).map(|known| password.clone_into(known)).is_some()
    }

    /// A token, when the password is right.
    pub(super) fn sign_in(&self, name: &str, password: &str) -> Option<String> {
        self.sign_in_with(name, password, |number| format!("farm-{}", uuid(number)))
    }

    /// As [`Shelves::sign_in`], with a token made from a number.
    pub(super) fn sign_in_with(&self, name: &str, password: &str, make: impl FnOnce(u64) -> String) -> Option<String> {
        let mut state = self.state();
        state.users.get(name).filter(|known| *known == password)?;
        if state.tokens.len() >= MAX_USERS {
            state.tokens.clear();
        }
        let token = make(state.tick());
        state.tokens.insert(token.clone(), name.to_owned());
        Some(token)
    }

    pub(super) fn knows(&self, name: &str) -> bool {
        self.state().users.contains_key(name)
    }

    /// The token is of no use any more.
    pub(super) fn revoke(&self, token: &str) {
        self.state().tokens.remove(token);
    }

    /// Wrong passwords in a row.
    pub(super) fn misses(&self, name: &str) -> u32 {
        self.state().misses.get(name).copied().unwrap_or_default()
    }

    /// One more, or none any more.
    pub(super) fn missed(&self, name: &str, again: bool) {
        let mut state = self.state();
        if state.misses.len() >= MAX_THINGS {
            state.misses.clear();
        }
        match again {
            true => *state.misses.entry(name.to_owned()).or_default() += 1,
            false => drop(state.misses.remove(name)),
        }
    }

    pub(super) fn user_of(&self, token: &str) -> Option<String> {
        self.state().tokens.get(token).cloned()
    }
}

/// Looks like a random UUID and is one of a fixed sequence.
pub(super) fn uuid(number: u64) -> String {
    let mix = |seed: u64| {
        let mut x = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(0x1234_5678_9abc_def1);
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^ (x >> 31)
    };
    let (one, two) = (mix(number), mix(!number));
    format!(
        "{:08x}-{:04x}-4{:03x}-a{:03x}-{:012x}",
        one >> 32,
        (one >> 16) & 0xffff,
        one & 0xfff,
        (two >> 48) & 0xfff,
        two & 0xffff_ffff_ffff
    )
}
