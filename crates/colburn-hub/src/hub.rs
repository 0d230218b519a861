//! The hub: its settings, its client, and requests. Every request goes through [`Hub::ask`], the one place that waits, retries and gives up.

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::{Arc, OnceLock, mpsc},
    thread,
    time::Duration,
};

use hf_hub::{HFClient, HFClientSync, HFResult};

use crate::{
    RepoId, RepoKind, Result,
    failure::{Resource, Retry, retry_of},
    settings::{self, Settings, Token},
};

/// The number of attempts of a request.
const ATTEMPTS: u32 = 5;
/// The wait after the first failure; it doubles with each one.
const FIRST_WAIT: Duration = Duration::from_millis(500);
/// The factor of waits after too many requests: four waits are the five minutes in which the hub counts requests.
const LATER: u32 = 40;
/// The longest wait that the hub may ask for.
const LONGEST_WAIT: Duration = Duration::from_secs(300);
/// The time without an answer after which the connection is considered lost.
const PATIENCE: Duration = Duration::from_secs(300);
/// The time for the answer to an upload, in addition to the time for its bytes: the hub checks them and makes a commit.
const UPLOAD_PATIENCE: Duration = Duration::from_secs(30 * 60);
/// The smallest rate of an upload, in bytes per second.
const SLOWEST_UPLOAD: u64 = 1_000_000;

/// The number of attempts of a request, and the time for an answer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RetryPolicy {
    attempts: u32,
    patience: Duration,
    /// True if a request without an answer in time is repeated; the first one may still be running.
    after_silence: bool,
}

impl RetryPolicy {
    /// The policy of requests that are answered quickly.
    pub fn usual() -> Self {
        Self { attempts: ATTEMPTS, patience: PATIENCE, after_silence: true }
    }

    /// One attempt, for requests with an alternative.
    pub fn once(patience: Duration) -> Self {
        Self { attempts: 1, patience, after_silence: false }
    }

    /// The policy of an upload of this many bytes; the same upload never runs twice at once.
    pub fn upload(bytes: u64) -> Self {
        let patience = UPLOAD_PATIENCE + Duration::from_secs(bytes / SLOWEST_UPLOAD);
        Self { attempts: ATTEMPTS, patience, after_silence: false }
    }
}

/// The Hugging Face hub with its local cache. Cheap to clone; can be used from several threads.
///
/// ```no_run
/// use colburn_hub::Hub;
///
/// let hub = Hub::from_env();
/// let folder = hub.model(&"lightonai/GTE-ModernColBERT-v1".parse()?)?;
/// let files = hub.dataset(&"sentence-transformers/msmarco-bm25".parse()?, Some("triplet"), Some("train"))?;
/// # Ok::<(), colburn_hub::Error>(())
/// ```
#[derive(Clone)]
pub struct Hub {
    pub(crate) settings: Settings,
    first_wait: Duration,
    /// Made at the first request.
    client: Arc<OnceLock<HFClientSync>>,
}

impl fmt::Debug for Hub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.settings.fmt(f)
    }
}

impl Hub {
    /// The hub of the environment: `HF_ENDPOINT`, `HF_TOKEN`, `HF_TOKEN_PATH`, `HF_HOME`, `HF_HUB_CACHE`, `HF_HUB_OFFLINE`,
    /// `HF_HUB_DISABLE_IMPLICIT_TOKEN`, `HF_HUB_ETAG_TIMEOUT`, as huggingface_hub reads them. Nothing is opened yet.
    pub fn from_env() -> Self {
        Self { settings: Settings::from_env(), first_wait: FIRST_WAIT, client: Arc::default() }
    }

    fn with(self, change: impl FnOnce(&mut Settings)) -> Self {
        let mut settings = self.settings;
        change(&mut settings);
        Self { settings, client: Arc::default(), ..self }
    }

    /// Sets an address other than <https://huggingface.co>.
    pub fn with_endpoint(self, endpoint: impl AsRef<str>) -> Self {
        self.with(|settings| settings.endpoint = settings::endpoint(endpoint.as_ref()))
    }

    /// Sets the token, or none.
    pub fn with_token(self, token: Option<&str>) -> Self {
        self.with(|settings| settings.token = token.and_then(Token::new))
    }

    /// Sets the folder of the cache.
    pub fn with_cache(self, cache: impl Into<PathBuf>) -> Self {
        self.with(|settings| settings.cache = cache.into())
    }

    /// Sets whether only the cache may be used.
    pub fn with_offline(self, offline: bool) -> Self {
        self.with(|settings| settings.offline = offline)
    }

    /// Sets the wait before the first retry of a failed request, unless the hub asks for another wait. It doubles with each failure. The
    /// default is half a second.
    pub fn with_first_wait(self, wait: Duration) -> Self {
        Self { first_wait: wait, ..self }
    }

    /// Sets the time limit for the lookup of a revision's commit if an earlier one is in the cache and can be used in its place. The default is
    /// ten seconds, or `HF_HUB_ETAG_TIMEOUT`.
    pub fn with_lookup_timeout(self, timeout: Duration) -> Self {
        self.with(|settings| settings.lookup = timeout)
    }

    /// The folder of downloaded files.
    pub fn cache(&self) -> &Path {
        &self.settings.cache
    }

    /// True if only the cache is used.
    pub fn is_offline(&self) -> bool {
        self.settings.offline
    }

    /// The web page of a repository.
    pub fn address(&self, kind: RepoKind, id: &RepoId) -> String {
        let folder = if kind == RepoKind::Dataset { "datasets/" } else { "" };
        format!("{}/{folder}{}", self.settings.endpoint, id.name())
    }

    /// Makes a request, and retries it where that may help.
    pub(crate) fn ask<T: Send + 'static>(
        &self,
        resource: &Resource,
        policy: RetryPolicy,
        request: impl Fn(&HFClientSync) -> HFResult<T> + Send + Sync + 'static,
    ) -> Result<T> {
        let client = self.client(resource)?;
        let request = Arc::new(request);
        let mut wait = self.first_wait;
        let mut attempt = 1;
        loop {
            let (failed, pause) = match answer(client.clone(), request.clone(), policy.patience) {
                Some(Ok(answer)) => return Ok(answer),
                Some(Err(failure)) => {
                    let pause = match retry_of(&failure) {
                        Retry::Soon => Some(wait),
                        Retry::Later => Some(wait.saturating_mul(LATER).min(LONGEST_WAIT)),
                        Retry::After(wanted) => Some(wanted).filter(|wanted| *wanted <= LONGEST_WAIT),
                        Retry::Never => None,
                    };
                    (resource.failed(&failure, &self.settings), pause)
                }
                None => {
                    let (endpoint, seconds) = (&self.settings.endpoint, policy.patience.as_secs_f64());
                    let message = format!("no answer from {endpoint} within {seconds:.0} seconds");
                    (resource.unavailable(message), Some(wait).filter(|_| policy.after_silence))
                }
            };
            let Some(pause) = pause.filter(|_| attempt < policy.attempts) else { return Err(failed) };
            attempt += 1;
            tracing::debug!("{failed}; attempt {attempt} of {} in {:.1} s", policy.attempts, pause.as_secs_f64());
            thread::sleep(pause);
            wait = wait.saturating_mul(2);
        }
    }

    /// [`Hub::ask`] with the usual policy.
    pub(crate) fn ask_soon<T: Send + 'static>(
        &self,
        resource: &Resource,
        request: impl Fn(&HFClientSync) -> HFResult<T> + Send + Sync + 'static,
    ) -> Result<T> {
        self.ask(resource, RetryPolicy::usual(), request)
    }

    fn client(&self, resource: &Resource) -> Result<HFClientSync> {
        if self.settings.offline {
            return Err(resource.offline("this takes the network; HF_HUB_OFFLINE is set"));
        }
        if let Some(client) = self.client.get() {
            return Ok(client.clone());
        }
        // A text that is not valid in a header, so hf-hub sends none. Without a token, hf-hub would look for one itself.
        let token = self.settings.token.as_ref().map_or("\n", Token::secret);
        let made = HFClient::builder()
            .endpoint(&self.settings.endpoint)
            .token(token)
            .cache_dir(&self.settings.cache)
            .user_agent(concat!("colburn/", env!("CARGO_PKG_VERSION")))
            .retry_max_attempts(0)
            .build_sync()
            .map_err(|failure| resource.failed(&failure, &self.settings))?;
        Ok(self.client.get_or_init(|| made).clone())
    }
}

/// The answer to a request; `None` if it does not come in time, or the request panics. hf-hub itself would wait forever.
fn answer<T: Send + 'static>(
    client: HFClientSync,
    request: Arc<impl Fn(&HFClientSync) -> HFResult<T> + Send + Sync + 'static>,
    patience: Duration,
) -> Option<HFResult<T>> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || sender.send(request(&client)));
    receiver.recv_timeout(patience).ok()
}

/// A request by hf-hub's handle for the kind of the repository. Its handle for any kind looks up data sets among the models when it
/// downloads.
macro_rules! at_repository {
    ($client:expr, $kind:expr, $id:expr, $repository:ident => $request:expr) => {{
        let (owner, name) = hf_hub::split_id($id.name());
        match $kind {
            crate::RepoKind::Model => {
                let $repository = $client.model(owner, name);
                $request
            }
            crate::RepoKind::Dataset => {
                let $repository = $client.dataset(owner, name);
                $request
            }
        }
    }};
}
pub(crate) use at_repository;

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;
    use crate::Error;

    /// The number of attempts of a request that is never answered, and its error.
    fn unanswered(policy: RetryPolicy) -> (u32, Error) {
        let hub = Hub::from_env().with_offline(false).with_first_wait(Duration::from_millis(1));
        let resource = Resource::of(RepoKind::Model, &"org/name".parse().unwrap());
        let count = Arc::new(AtomicU32::new(0));
        let made = count.clone();
        let error = hub.ask(&resource, policy, move |_| {
            made.fetch_add(1, Ordering::Relaxed);
            thread::sleep(Duration::from_secs(60));
            Ok(())
        });
        (count.load(Ordering::Relaxed), error.unwrap_err())
    }

    #[test]
    fn an_answer_is_not_waited_for_for_ever() {
        let soon = Duration::from_millis(100);
        for (policy, times) in
            [(RetryPolicy::usual(), ATTEMPTS), (RetryPolicy::once(soon), 1), (RetryPolicy::upload(5), 1)]
        {
            let (made, error) = unanswered(RetryPolicy { patience: soon, ..policy });
            assert!(matches!(error, Error::Unavailable { .. }), "{error}");
            assert_eq!(made, times, "{policy:?}");
        }
    }

    #[test]
    fn an_upload_may_take_its_time() {
        assert_eq!(RetryPolicy::upload(0).patience, Duration::from_secs(1800));
        assert_eq!(RetryPolicy::upload(7_200_000_000).patience, Duration::from_secs(1800 + 7200));
    }
}
