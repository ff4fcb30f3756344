//! Text that becomes code: SQL, commands, templates, paths, headers, markup.

use crate::check::SecurityCheck;

/// Every check of this area.
pub(super) const CHECKS: &[&dyn SecurityCheck] = &[];
