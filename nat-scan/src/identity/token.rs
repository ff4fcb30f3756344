//! Tokens: obtained when first needed, renewed by one task at 80 % of their life or when they are refused.

use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use async_trait::async_trait;
use secrecy::{ExposeSecret, SecretString};
use tokio::time::Instant;

use super::Placement;
use super::answer::Taken;

/// Life of a token whose answer does not say.
const DEFAULT_LIFE: Duration = Duration::from_secs(300);
/// Nothing renews earlier than this, whatever the answer says.
const MIN_LIFE: Duration = Duration::from_secs(1);
/// After a failure the login is left alone for a while.
const RETRY_AFTER: Duration = Duration::from_secs(5);
/// Failures in a row after which it is left alone for good: accounts are locked by less.
const MAX_FAILURES: u32 = 6;
/// Issued tokens remembered for redaction.
const MAX_ISSUED: usize = 128;

/// Why there is no token. Holds no secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no access token could be obtained: {0}")]
pub struct AuthError(pub String);

/// Where tokens come from.
#[async_trait]
pub(super) trait Obtain: Send + Sync {
    /// A new token.
    async fn obtain(&self) -> Result<Taken, AuthError>;

    /// What must not be shown, tokens aside.
    fn secrets(&self) -> Vec<SecretString>;
}

/// Every token that was issued lately, for those who hide them.
#[derive(Clone, Default)]
pub(crate) struct Issued(Arc<Mutex<Vec<SecretString>>>);

impl Issued {
    pub(crate) fn add(&self, token: SecretString) {
        let mut issued = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if issued.len() == MAX_ISSUED {
            issued.remove(0);
        }
        issued.push(token);
    }

    pub(crate) fn all(&self) -> Vec<SecretString> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[derive(Clone)]
struct Token {
    value: SecretString,
    generation: u64,
    renew_at: Instant,
    expires_at: Instant,
}

/// What went wrong lately.
#[derive(Default)]
struct Renewal {
    /// The last failure and when to try again.
    failure: Option<(Instant, AuthError)>,
    failures: u32,
    generation: u64,
}

/// The tokens of one identity.
pub(super) struct TokenSource {
    from: Box<dyn Obtain>,
    pub(super) placement: Placement,
    /// Read by every request; written by the one task that holds `renewal`.
    token: RwLock<Option<Token>>,
    /// Held while a token is requested: a hundred requests cause one.
    renewal: tokio::sync::Mutex<Renewal>,
    pub(super) issued: Issued,
}

impl TokenSource {
    pub(super) fn new(from: Box<dyn Obtain>, placement: Placement) -> Self {
        Self {
            from,
            placement,
            token: RwLock::default(),
            renewal: tokio::sync::Mutex::default(),
            issued: Issued::default(),
        }
    }

    /// A token that is good now, and which one of all it is.
    pub(super) async fn current(&self) -> Result<(SecretString, u64), AuthError> {
        if let Some(token) = self.fresh(Instant::now()) {
            return Ok(token);
        }
        let mut renewal = self.renewal.lock().await;
        let now = Instant::now();
        // Somebody else may have renewed it while this task waited.
        if let Some(token) = self.fresh(now) {
            return Ok(token);
        }
        let error = match &renewal.failure {
            Some((retry_at, error)) if now < *retry_at || renewal.failures >= MAX_FAILURES => error.clone(),
            _ => match self.from.obtain().await {
                Ok(taken) => {
                    renewal.generation += 1;
                    (renewal.failure, renewal.failures) = (None, 0);
                    return Ok(self.store(taken, renewal.generation));
                }
                Err(error) => {
                    renewal.failures += 1;
                    renewal.failure = Some((Instant::now() + RETRY_AFTER, error.clone()));
                    error
                }
            },
        };
        // Between 80 % and the end of its life the old token still serves.
        let usable = self.read().filter(|token| now < token.expires_at);
        usable.map(|token| (token.value, token.generation)).ok_or(error)
    }

    /// The last token, good or not.
    pub(super) fn last(&self) -> Option<SecretString> {
        self.issued.all().pop()
    }

    /// This token was refused. A later one stays.
    pub(super) fn invalidate(&self, generation: u64) {
        let mut token = self.token.write().unwrap_or_else(PoisonError::into_inner);
        token.take_if(|token| token.generation == generation);
    }

    /// Everything that must not be shown, tokens included.
    pub(super) fn secrets(&self) -> Vec<SecretString> {
        let mut secrets = self.from.secrets();
        secrets.extend(self.issued.all());
        secrets
    }

    fn read(&self) -> Option<Token> {
        self.token.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn fresh(&self, now: Instant) -> Option<(SecretString, u64)> {
        self.read().filter(|token| now < token.renew_at).map(|token| (token.value, token.generation))
    }

    fn store(&self, taken: Taken, generation: u64) -> (SecretString, u64) {
        let Taken { value, life } = taken;
        let life = life.unwrap_or(DEFAULT_LIFE).max(MIN_LIFE);
        let now = Instant::now();
        let (renew_at, expires_at) = (now + life.mul_f64(0.8), now + life);
        if self.placement == Placement::Cookies {
            let parts = value.expose_secret().split("; ").filter_map(|pair| pair.split_once('='));
            // Short ones are settings, and words that stand elsewhere too.
            parts
                .filter(|(_, value)| value.len() >= 12)
                .for_each(|(_, value)| self.issued.add(value.to_owned().into()));
        }
        self.issued.add(value.clone());
        let token = Token { value: value.clone(), generation, renew_at, expires_at };
        *self.token.write().unwrap_or_else(PoisonError::into_inner) = Some(token);
        (value, generation)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    /// Gives `t1`, `t2`, …, or nothing while it is `broken`; counts how often it is asked.
    struct Counting {
        asked: Arc<AtomicU32>,
        life: Option<Duration>,
        broken: bool,
    }

    #[async_trait]
    impl Obtain for Counting {
        async fn obtain(&self) -> Result<Taken, AuthError> {
            let number = self.asked.fetch_add(1, Ordering::SeqCst) + 1;
            tokio::task::yield_now().await;
            match self.broken {
                true => Err(AuthError("no".to_owned())),
                false => Ok(Taken { value: format!("t{number}").into(), life: self.life }),
            }
        }

        fn secrets(&self) -> Vec<SecretString> {
            Vec::new()
        }
    }

    fn source(life: Option<u64>, broken: bool) -> (TokenSource, Arc<AtomicU32>) {
        let asked = Arc::new(AtomicU32::new(0));
        let from = Counting { asked: Arc::clone(&asked), life: life.map(Duration::from_secs), broken };
        (TokenSource::new(Box::new(from), Placement::bearer()), asked)
    }

    #[tokio::test]
    async fn token_is_renewed_at_four_fifths_of_its_life() {
        for (life, last_good, first_stale) in [(Some(60), 47, 49), (Some(0), 0, 1), (None, 239, 241)] {
            let (source, _) = source(life, false);
            source.current().await.unwrap();
            let after = |seconds| source.fresh(Instant::now() + Duration::from_secs(seconds)).is_some();
            assert!(after(last_good) && !after(first_stale), "{life:?}");
        }
    }

    #[tokio::test]
    async fn a_refusal_of_an_old_token_leaves_the_new_one() {
        let (source, asked) = source(Some(60), false);
        let (_, first) = source.current().await.unwrap();
        source.invalidate(first);
        let (_, second) = source.current().await.unwrap();
        source.invalidate(first);
        assert_eq!(source.current().await.unwrap().1, second);
        assert_eq!(asked.load(Ordering::SeqCst), 2);
    }

    #[tokio::test]
    async fn a_login_that_fails_is_left_alone() {
        let (source, asked) = source(None, true);
        let all = futures::future::join_all((0..100).map(|_| source.current())).await;
        assert!(all.iter().all(Result::is_err));
        assert_eq!(asked.load(Ordering::SeqCst), 1, "a hundred requests, one try");
        // Its patience over, it would be tried again; but not for ever.
        for _ in 0..20 {
            source.renewal.lock().await.failure = Some((Instant::now(), AuthError("no".to_owned())));
            assert!(source.current().await.is_err());
        }
        assert_eq!(asked.load(Ordering::SeqCst), MAX_FAILURES);
    }
}
