//! Security checks, each with its negative control.
