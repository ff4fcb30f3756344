//! Host names that are refused without asking a resolver.

use super::AddressClass;

const METADATA_NAMES: [&str; 9] = [
    "metadata",
    "metadata.google.internal",
    "metadata.goog",
    "metadata.azure.internal",
    "metadata.tencentyun.com",
    "metadata.platformequinix.com",
    "instance-data",
    "instance-data.ec2.internal",
    "rancher-metadata",
];

const LOOPBACK_NAMES: [&str; 4] = ["localhost", "localhost.localdomain", "ip6-localhost", "ip6-loopback"];

/// What a name stands for by convention, whatever a resolver may say; `None`: ask the resolver.
pub(super) fn classify_name(host: &str) -> Option<AddressClass> {
    let name = host.trim_end_matches('.').to_ascii_lowercase();
    if METADATA_NAMES.contains(&name.as_str()) {
        return Some(AddressClass::MetadataAddress);
    }
    if LOOPBACK_NAMES.contains(&name.as_str()) || name.ends_with(".localhost") {
        return Some(AddressClass::Loopback);
    }
    None
}
