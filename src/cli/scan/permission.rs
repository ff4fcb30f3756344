//! Whether the user may attack the target: asked once, before anything is sent.

use nat::scan::policy::{AllowList, is_own_machine};
use url::Url;

#[derive(clap::Args)]
#[command(next_help_heading = "Permission (security scans)")]
pub(in crate::cli) struct PermissionArgs {
    /// I own this target, or its owner agreed to an attack. Not needed for loopback targets and in safe mode.
    #[arg(long)]
    i_own_this_target: bool,
    /// Targets that need no --i-own-this-target: host names, '*.' before a name for all below it, addresses and
    /// networks, separated by commas.
    #[arg(long, value_name = "LIST", env = "NAT_TARGET_ALLOW", value_parser = AllowList::parse)]
    target_allow: Option<AllowList>,
}

impl PermissionArgs {
    /// A sentence when the target may not be attacked.
    pub(in crate::cli) fn check(&self, target: &Url, safe_mode: bool) -> Result<(), String> {
        let is_listed = self.target_allow.as_ref().is_some_and(|list| list.allows(target));
        if safe_mode || self.i_own_this_target || is_listed || is_own_machine(target) {
            return Ok(());
        }
        let host = target.host_str().unwrap_or_default();
        Err(format!(
            "security checks attack {host}: they send what an attacker would send, and make and change things there.\n\
             Scan only what is yours, or where its owner agreed: then add --i-own-this-target, or put {host} into\n\
             NAT_TARGET_ALLOW. --safe-mode only reads and needs neither."
        ))
    }
}
