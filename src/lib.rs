//! NAT as one library: the crates behind one name, the configuration of a server and its composition.
//!
//! Nothing here decides anything. The rules live in [`core`], [`billing`] and [`scan`]; the wires in [`rest`] and
//! [`graphql`]. What this package adds is how they are put together ([`server`]) and what a server is told ([`config`]).

pub mod config;
pub mod sample;
pub mod server;

pub use nat_billing as billing;
pub use nat_core as core;
pub use nat_graphql as graphql;
pub use nat_rest as rest;
pub use nat_scan as scan;
