//! Who asks, and what answers: the data of a request.

use async_graphql::Context;
use async_graphql::dataloader::DataLoader;
use nat_core::Actor;
use tokio::sync::watch;

use crate::facade::Services;
use crate::loader::Loaders;

/// What resolvers work with. [`crate::Facade`] puts all of it into each request.
pub(crate) struct Viewer<'a> {
    pub(crate) services: &'a Services,
    pub(crate) actor: &'a Actor,
    pub(crate) loaders: &'a DataLoader<Loaders>,
}

impl<'a> Viewer<'a> {
    pub(crate) fn of(context: &Context<'a>) -> Self {
        Self { services: context.data_unchecked(), actor: context.data_unchecked(), loaders: context.data_unchecked() }
    }
}

/// Who asks as long as a connection lives: its rights may change meanwhile.
#[derive(Clone, Debug)]
pub(crate) struct Session(watch::Receiver<Actor>);

impl Session {
    /// A session whose actor the other side keeps up to date.
    pub(crate) fn new(actor: Actor) -> (watch::Sender<Actor>, Self) {
        let (sender, receiver) = watch::channel(actor);
        (sender, Self(receiver))
    }

    /// Who asks now.
    pub(crate) fn actor(&self) -> Actor {
        self.0.borrow().clone()
    }
}
