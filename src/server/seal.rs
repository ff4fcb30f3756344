//! Where the sealing key comes from: the configuration, or a file beside the SQLite database, made on first start.

use std::io::Write;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use nat_core::entropy::Entropy;

/// The file beside `sqlite://<path>?…`, or none for an in-memory database.
fn key_file(database_url: &str) -> Option<PathBuf> {
    let path = database_url.strip_prefix("sqlite:")?;
    let path = path.strip_prefix("//").unwrap_or(path).split('?').next().unwrap_or("");
    (!path.is_empty() && path != ":memory:").then(|| PathBuf::from(format!("{path}.seal")))
}

/// The key in the file; made when there is none, readable by its owner only.
pub(super) fn find_or_make(database_url: &str, entropy: &dyn Entropy) -> std::io::Result<[u8; 32]> {
    let mut key = [0u8; 32];
    entropy.fill(&mut key);
    let Some(path) = key_file(database_url) else { return Ok(key) };
    match write_new(&path, &STANDARD.encode(key)) {
        Ok(()) => Ok(key),
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => read(&path),
        Err(error) => Err(error),
    }
}

/// Written whole under another name first, so that a crash leaves no half key behind.
fn write_new(path: &Path, text: &str) -> std::io::Result<()> {
    let draft = path.with_extension(format!("seal-{}", std::process::id()));
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&draft)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    let linked = std::fs::hard_link(&draft, path);
    std::fs::remove_file(&draft)?;
    linked
}

fn read(path: &Path) -> std::io::Result<[u8; 32]> {
    let text = std::fs::read_to_string(path)?;
    let bytes = STANDARD.decode(text.trim()).ok().and_then(|bytes| bytes.try_into().ok());
    bytes.ok_or_else(|| {
        std::io::Error::other(format!(
            "{} does not hold 32 bytes in base64; restore it from your backup",
            path.display()
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use nat_core::entropy::SystemEntropy;

    #[test]
    fn key_is_made_once_and_found_again() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let url = format!("sqlite://{}/nat.db?mode=rwc", dir.path().display());
        let first = find_or_make(&url, &SystemEntropy).expect("made");
        assert_eq!(find_or_make(&url, &SystemEntropy).expect("found"), first);
        std::fs::write(dir.path().join("nat.db.seal"), "garbage").expect("written");
        assert!(find_or_make(&url, &SystemEntropy).is_err(), "a broken key is never replaced silently");
        assert_ne!(find_or_make("sqlite::memory:", &SystemEntropy).expect("made"), first);
    }
}
