//! The GraphQL facade of NAT over the services of nat-core, nat-billing and nat-scan.
//!
//! [`Facade`] executes documents for an actor; [`router`] puts it on HTTP, WebSocket and Server-Sent Events. Nothing is
//! decided here: each resolver converts, calls one service method and converts back, so that the same use case over REST
//! gives the same data and the same error code.
//!
//! What reaches the parser has passed [`guard`]; what is executed has passed depth and cost.

mod cost;
mod error;
mod facade;
pub mod guard;
mod http;
mod loader;
mod mutation;
mod object;
mod page;
mod query;
mod relay;
mod scalar;
mod settings;
mod subscription;
mod viewer;
mod ws;

pub use facade::{Executed, Facade, Services, sdl};
pub use http::router;
pub use settings::{Introspection, Settings};
