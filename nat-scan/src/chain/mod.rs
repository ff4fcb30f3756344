//! What answers teach about the next requests: ids that exist, and what the server said was wrong.
//!
//! Everything here is pure. The engine harvests objects from successful answers (`Pool`), asks for variants of an
//! operation's valid requests that use them (`guide`), and adds what error bodies say (`hint`). A value of the
//! target never enters a case itself: a case keeps the value that was made up and names the place where another one is
//! put in when the request is written ([`Binding`]), so that the plan is the same whatever ids a target hands out.

mod bind;
pub(crate) mod guide;
pub(crate) mod hint;
mod name;
mod pool;

pub use bind::{Binding, Spot};
pub(crate) use name::{destroys, key, nouns_of_path, tokens};
pub(crate) use pool::{Origin, Pool, Want};

#[cfg(test)]
mod tests;
