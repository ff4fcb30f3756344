//! nat-rest
