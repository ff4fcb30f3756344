//! Mutations. What the caller can mend is in `userErrors` of the payload; everything else fails the field, which is
//! null then. Mutations of one document run one after the other.

mod billing;
mod finding;
mod key;
mod scan;

use async_graphql::MergedObject;
use nat_core::Error;

use crate::error::{Fallible, UserError, user_errors};

/// The root of all mutations.
#[derive(MergedObject, Default)]
pub(crate) struct Mutation(
    scan::ScanMutations,
    finding::FindingMutations,
    key::KeyMutations,
    billing::BillingMutations,
);

/// A payload that shows why nothing was done.
trait Payload: Default {
    fn refused(user_errors: Vec<UserError>) -> Self;
}

/// These types have `user_errors`, and nothing else when something is wrong.
macro_rules! payloads {
    ($($payload:ident),*) => {$(
        impl super::Payload for $payload {
            fn refused(user_errors: Vec<UserError>) -> Self {
                Self { user_errors, ..Self::default() }
            }
        }
    )*};
}
use payloads;

/// What a mutation shows of the answer of a service.
fn answered<T, P: Payload + From<T>>(answer: Result<T, Error>) -> Fallible<P> {
    Some(match answer {
        Ok(done) => Ok(P::from(done)),
        Err(error) => user_errors(error).map(P::refused),
    })
}
