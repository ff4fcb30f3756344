//! Where a journal is kept: a port, and the file behind the command line.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;

use super::{JournalError, MAX_BYTES, frame};

/// Bytes that survive the process. Errors are sentences for the log.
#[async_trait]
pub trait JournalStore: Send + Sync {
    /// Everything that was appended, in order; empty when there is nothing.
    async fn read(&self) -> Result<Vec<u8>, JournalError>;

    /// Adds bytes and returns when they are safe. Never called twice at once.
    async fn append(&self, bytes: Vec<u8>) -> Result<(), JournalError>;

    /// Forgets everything: the scan has ended.
    async fn remove(&self) -> Result<(), JournalError>;
}

/// A journal in a file, held by one process at a time. Made on the first [`JournalStore::append`], readable by its owner only.
#[derive(Clone, Debug)]
pub struct FileStore {
    path: PathBuf,
    file: Arc<std::sync::Mutex<Option<File>>>,
}

impl FileStore {
    /// The file need not exist.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), file: Arc::default() }
    }

    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Path, &mut Option<File>) -> Result<T, JournalError> + Send + 'static,
    ) -> Result<T, JournalError> {
        let (path, file) = (self.path.clone(), Arc::clone(&self.file));
        let work = move || {
            let mut file = file.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            work(&path, &mut file)
        };
        tokio::task::spawn_blocking(work).await.map_err(|error| JournalError::Storage(error.to_string()))?
    }
}

#[async_trait]
impl JournalStore for FileStore {
    async fn read(&self) -> Result<Vec<u8>, JournalError> {
        self.blocking(|path, held| {
            let mut file = match OpenOptions::new().read(true).write(true).open(path) {
                Ok(file) => file,
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
                Err(error) => return Err(storage(path, &error)),
            };
            lock(path, &file)?;
            let mut bytes = Vec::new();
            (&mut file).take(MAX_BYTES).read_to_end(&mut bytes).map_err(|error| storage(path, &error))?;
            if !frame::is_journal(&bytes) {
                return Err(JournalError::NotAJournal);
            }
            // What is torn is cut off, so that what is written next stands behind what is whole.
            let (_, whole) = frame::split(&bytes);
            bytes.truncate(whole);
            file.set_len(whole as u64).map_err(|error| storage(path, &error))?;
            file.seek(SeekFrom::End(0)).map_err(|error| storage(path, &error))?;
            *held = Some(file);
            Ok(bytes)
        })
        .await
    }

    async fn append(&self, bytes: Vec<u8>) -> Result<(), JournalError> {
        self.blocking(move |path, held| {
            let file = match held {
                Some(file) => file,
                None => held.insert(create(path)?),
            };
            file.write_all(&bytes).and_then(|()| file.sync_data()).map_err(|error| storage(path, &error))
        })
        .await
    }

    async fn remove(&self) -> Result<(), JournalError> {
        self.blocking(|path, held| {
            *held = None;
            match std::fs::remove_file(path) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(storage(path, &error)),
                _ => Ok(()),
            }
        })
        .await
    }
}

fn create(path: &Path) -> Result<File, JournalError> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options.open(path).map_err(|error| storage(path, &error))?;
    lock(path, &file)?;
    Ok(file)
}

/// Two scans in one journal would read each other's answers.
fn lock(path: &Path, file: &File) -> Result<(), JournalError> {
    match file.try_lock() {
        Ok(()) => Ok(()),
        Err(TryLockError::WouldBlock) => Err(JournalError::InUse),
        Err(TryLockError::Error(error)) => Err(storage(path, &error)),
    }
}

fn storage(path: &Path, error: &std::io::Error) -> JournalError {
    JournalError::Storage(format!("{}: {error}", path.display()))
}
