//! The credentials in use, and when they are loaded again.

use std::error::Error;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials as _, SharedCredentialsProvider};
use dunlin_management::{ManagementError, ManagementErrorKind};

use crate::answer::kind_without;
use crate::sign::Signer;

/// Credentials are loaded again this long before they expire, so that no request is signed with ones that are over when it
/// arrives. Ours; providers hand out new ones five minutes ahead or earlier.
pub const REFRESH_BEFORE_EXPIRY: Duration = Duration::from_secs(5 * 60);

/// Shortest time between two loads while there are credentials to go on with: a provider that fails, or that gives what has
/// expired, is not asked for each request.
pub const REFRESH_PAUSE: Duration = Duration::from_secs(5);

/// Signers for the credentials of a provider: the same one until they are about to expire.
pub(crate) struct Keyring {
    provider: SharedCredentialsProvider,
    region: String,
    current: Mutex<Option<Current>>,
    /// Held by whoever loads.
    loading: tokio::sync::Mutex<()>,
}

#[derive(Clone)]
struct Current {
    signer: Arc<Signer>,
    expires_at: Option<SystemTime>,
    /// When the provider is asked again; never for credentials that do not expire.
    refresh_at: Option<SystemTime>,
    loaded_at: SystemTime,
}

/// What the provider said when it had no credentials.
#[derive(Debug)]
struct NoCredentials(CredentialsError);

impl Keyring {
    pub(crate) fn new(provider: SharedCredentialsProvider, region: String) -> Self {
        Self { provider, region, current: Mutex::new(None), loading: tokio::sync::Mutex::new(()) }
    }

    /// The signer for the moment `now`. One caller loads; the others go on with what there is, or wait if it is of no use.
    pub(crate) async fn signer(&self, now: SystemTime) -> Result<Arc<Signer>, ManagementError> {
        let _loading = match self.current() {
            Some(current) if !current.is_due(now) => return Ok(current.signer),
            Some(current) if current.is_valid(now) => match self.loading.try_lock() {
                Ok(loading) => loading,
                Err(_) => return Ok(current.signer),
            },
            _ => self.loading.lock().await,
        };
        // Somebody may have loaded between the look and the lock.
        if let Some(current) = self.current()
            && !current.is_due(now)
        {
            return Ok(current.signer);
        }
        match self.load(now).await {
            Ok(loaded) => Ok(self.lock().insert(loaded).signer.clone()),
            Err(error) => match &mut *self.lock() {
                Some(current) if current.is_valid(now) => {
                    current.refresh_at = Some(now + REFRESH_PAUSE);
                    Ok(Arc::clone(&current.signer))
                }
                _ => Err(error),
            },
        }
    }

    /// The service says that this signer's credentials have expired: the next request loads others.
    pub(crate) fn expired(&self, signer: &Arc<Signer>, now: SystemTime) {
        if let Some(current) = &mut *self.lock()
            && Arc::ptr_eq(&current.signer, signer)
        {
            current.refresh_at = Some(now.max(current.loaded_at + REFRESH_PAUSE));
        }
    }

    async fn load(&self, now: SystemTime) -> Result<Current, ManagementError> {
        let credentials = self.provider.provide_credentials().await.map_err(no_credentials)?;
        let signer = Signer::new(&credentials, self.region.clone()).map_err(|_| {
            ManagementError::new(ManagementErrorKind::Internal)
                .with_source("the credentials have characters that a header cannot carry")
        })?;
        let expires_at = credentials.expiry();
        let due = |expires_at: SystemTime| {
            let early = expires_at.checked_sub(REFRESH_BEFORE_EXPIRY).unwrap_or(expires_at);
            early.max(now + REFRESH_PAUSE)
        };
        Ok(Current { signer: Arc::new(signer), expires_at, refresh_at: expires_at.map(due), loaded_at: now })
    }

    fn current(&self) -> Option<Current> {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Option<Current>> {
        // Each change is one assignment, so the state behind a poisoned lock is whole.
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Current {
    fn is_due(&self, now: SystemTime) -> bool {
        self.refresh_at.is_some_and(|refresh_at| now >= refresh_at)
    }

    fn is_valid(&self, now: SystemTime) -> bool {
        self.expires_at.is_none_or(|expires_at| now < expires_at)
    }
}

fn no_credentials(error: CredentialsError) -> ManagementError {
    ManagementError::new(kind_without(&error)).with_source(NoCredentials(error))
}

impl fmt::Display for NoCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("there are no credentials to sign with")
    }
}

impl Error for NoCredentials {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use aws_credential_types::Credentials;
    use aws_credential_types::provider::{self, ProvideCredentials, future};
    use tokio::sync::Notify;

    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);
    const START: Duration = Duration::from_secs(1_760_000_000);

    /// Counts what it hands out, each valid for an hour, and fails or waits as it is told.
    #[derive(Debug, Default)]
    struct Provider {
        state: Mutex<(u32, Option<ManagementErrorKind>)>,
        now: Mutex<Duration>,
        wait: Option<Notify>,
    }

    impl Provider {
        fn fail(&self, kind: impl Into<Option<ManagementErrorKind>>) {
            self.state.lock().unwrap().1 = kind.into();
        }

        fn loads(&self) -> u32 {
            self.state.lock().unwrap().0
        }
    }

    #[derive(Debug, Clone)]
    struct Shared(Arc<Provider>);

    impl ProvideCredentials for Shared {
        fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
        where
            Self: 'a,
        {
            future::ProvideCredentials::new(async {
                let (number, failure) = {
                    let mut state = self.0.state.lock().unwrap();
                    state.0 += 1;
                    *state
                };
                if let Some(wait) = &self.0.wait {
                    wait.notified().await;
                }
                answer(number, failure, UNIX_EPOCH + *self.0.now.lock().unwrap() + HOUR)
            })
        }
    }

    fn answer(number: u32, failure: Option<ManagementErrorKind>, expiry: SystemTime) -> provider::Result {
        match failure {
            Some(ManagementErrorKind::Forbidden) => Err(CredentialsError::not_loaded_no_source()),
            Some(_) => Err(CredentialsError::provider_error("no route")),
            None => Ok(Credentials::new(format!("ASIA{number}"), "secret", None, Some(expiry), "test")),
        }
    }

    fn keyring(provider: &Arc<Provider>) -> Keyring {
        Keyring::new(SharedCredentialsProvider::new(Shared(Arc::clone(provider))), "eu-west-1".to_owned())
    }

    /// The access key in use this long after the start, and the provider's clock set to it.
    async fn used(
        keyring: &Keyring,
        provider: &Provider,
        after: Duration,
    ) -> Result<String, ManagementError> {
        *provider.now.lock().unwrap() = START + after;
        let signer = keyring.signer(UNIX_EPOCH + START + after).await?;
        Ok(signer.access_key_id().to_owned())
    }

    #[tokio::test]
    async fn they_are_kept_until_shortly_before_they_expire() {
        let provider = Arc::new(Provider::default());
        let keyring = keyring(&provider);
        let due = HOUR - REFRESH_BEFORE_EXPIRY;
        for after in [Duration::ZERO, due - Duration::from_secs(1)] {
            assert_eq!(used(&keyring, &provider, after).await.unwrap(), "ASIA1");
        }
        assert_eq!(used(&keyring, &provider, due).await.unwrap(), "ASIA2");
        assert_eq!(used(&keyring, &provider, 2 * due).await.unwrap(), "ASIA3");
    }

    #[tokio::test]
    async fn a_failing_provider_is_survived_while_they_last_and_not_asked_each_time() {
        let provider = Arc::new(Provider::default());
        let keyring = keyring(&provider);
        used(&keyring, &provider, Duration::ZERO).await.unwrap();
        provider.fail(ManagementErrorKind::Unavailable);
        let due = HOUR - REFRESH_BEFORE_EXPIRY;
        for _ in 0..10 {
            assert_eq!(used(&keyring, &provider, due).await.unwrap(), "ASIA1");
        }
        assert_eq!(provider.loads(), 2);
        assert_eq!(used(&keyring, &provider, due + REFRESH_PAUSE).await.unwrap(), "ASIA1");
        assert_eq!(provider.loads(), 3);
        // Over: then the failure is the caller's.
        let error = used(&keyring, &provider, HOUR).await.unwrap_err();
        assert_eq!(error.kind(), ManagementErrorKind::Unavailable);
        provider.fail(ManagementErrorKind::Forbidden);
        let error = used(&keyring, &provider, HOUR).await.unwrap_err();
        assert_eq!(error.kind(), ManagementErrorKind::Forbidden);
        provider.fail(None);
        assert_eq!(used(&keyring, &provider, HOUR).await.unwrap(), "ASIA6");
    }

    #[tokio::test]
    async fn what_the_service_calls_expired_is_loaded_again_but_not_in_a_storm() {
        let provider = Arc::new(Provider::default());
        let keyring = keyring(&provider);
        let at = |after| UNIX_EPOCH + START + after;
        *provider.now.lock().unwrap() = START;
        let first = keyring.signer(at(Duration::ZERO)).await.unwrap();
        keyring.expired(&first, at(Duration::ZERO));
        keyring.signer(at(Duration::ZERO)).await.unwrap();
        assert_eq!(provider.loads(), 1);
        keyring.signer(at(REFRESH_PAUSE)).await.unwrap();
        assert_eq!(provider.loads(), 2);
        // That one has been replaced already.
        keyring.expired(&first, at(HOUR / 2));
        keyring.signer(at(HOUR / 2)).await.unwrap();
        assert_eq!(provider.loads(), 2);
    }

    #[tokio::test]
    async fn one_loads_for_all_and_a_dropped_load_is_begun_again() {
        let provider = Arc::new(Provider { wait: Some(Notify::new()), ..Provider::default() });
        *provider.now.lock().unwrap() = START;
        let keyring = keyring(&provider);
        let now = UNIX_EPOCH + START;
        let dropped = tokio::time::timeout(Duration::from_millis(1), keyring.signer(now)).await;
        assert!(dropped.is_err());
        let release = async { provider.wait.as_ref().unwrap().notify_one() };
        let (one, other, ()) = tokio::join!(keyring.signer(now), keyring.signer(now), release);
        assert!(Arc::ptr_eq(&one.unwrap(), &other.unwrap()));
        assert_eq!(provider.loads(), 2);
    }

    #[tokio::test]
    async fn those_that_do_not_expire_are_loaded_once() {
        let credentials = Credentials::new("AKIDEXAMPLE", "secret", None, None, "test");
        let keyring = Keyring::new(SharedCredentialsProvider::new(credentials), "eu-west-1".to_owned());
        let first = keyring.signer(UNIX_EPOCH + START).await.unwrap();
        let later = keyring.signer(UNIX_EPOCH + START + 1000 * HOUR).await.unwrap();
        assert!(Arc::ptr_eq(&first, &later));
    }
}
