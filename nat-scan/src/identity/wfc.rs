//! wfc
