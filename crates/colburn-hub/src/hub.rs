//! The hub: its settings, its client, and how a request is made. Every request goes through [`Hub::ask`], the one place that waits,
//! tries again and gives up.

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::{Arc, OnceLock, mpsc},
    thread,
    time::Duration,
};

use hf_hub::{HFClient, HFClientSync, HFResult};

use crate::{
    Error, RepoId, Result,
    failure::{Again, Asked, again},
    settings::{self, Settings, Token},
};

/// How often a request is made before it has failed.
const ATTEMPTS: u32 = 5;
/// The wait after the first failure; it doubles with each one.
const FIRST_WAIT: Duration = Duration::from_millis(500);
/// How much longer the waits are after too many requests: four of them make up the five minutes in which the hub counts.
const LATER: u32 = 40;
/// The longest wait that a hub may ask for.
const LONGEST_WAIT: Duration = Duration::from_secs(300);
/// After so long without an answer the connection counts as lost.
const PATIENCE: Duration = Duration::from_secs(300);
/// So long the answer to an upload may take besides the time for its bytes: the hub has them to check, and a commit to make.
const UPLOAD_PATIENCE: Duration = Duration::from_secs(30 * 60);
/// Bytes in a second that an upload has at least.
const SLOWEST_UPLOAD: u64 = 1_000_000;

/// How often a request is made, and how long an answer may take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tries {
    attempts: u32,
    patience: Duration,
    /// Whether it is made again when no answer came in time. The first one may still be under way.
    after_silence: bool,
}

impl Tries {
    /// For what is answered at once or not at all.
    pub fn usual() -> Self {
        Self { attempts: ATTEMPTS, patience: PATIENCE, after_silence: true }
    }

    /// Where there is another way.
    pub fn once(patience: Duration) -> Self {
        Self { attempts: 1, patience, after_silence: false }
    }

    /// For so many bytes that are sent; two uploads of them at once are never made.
    pub fn upload(bytes: u64) -> Self {
        let patience = UPLOAD_PATIENCE + Duration::from_secs(bytes / SLOWEST_UPLOAD);
        Self { attempts: ATTEMPTS, patience, after_silence: false }
    }
}

/// What a repository holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RepoKind {
    /// A model.
    Model,
    /// A data set.
    Dataset,
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
    /// Made for the first request: without one nothing is opened.
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

    /// Another address than <https://huggingface.co>.
    pub fn with_endpoint(self, endpoint: impl AsRef<str>) -> Self {
        self.with(|settings| settings.endpoint = settings::endpoint(endpoint.as_ref()))
    }

    /// This token, or none.
    pub fn with_token(self, token: Option<&str>) -> Self {
        self.with(|settings| settings.token = token.and_then(Token::new))
    }

    /// Another folder for the cache.
    pub fn with_cache(self, cache: impl Into<PathBuf>) -> Self {
        self.with(|settings| settings.cache = cache.into())
    }

    /// Whether only the cache may be used.
    pub fn with_offline(self, offline: bool) -> Self {
        self.with(|settings| settings.offline = offline)
    }

    /// The wait after a request has failed, before it is made again, unless the hub asks for another; it doubles with each failure. Half a
    /// second unless set.
    pub fn with_first_wait(self, wait: Duration) -> Self {
        Self { first_wait: wait, ..self }
    }

    /// How long to wait for what commit a revision is at, where it has been downloaded before and can be used as it was then. Ten seconds
    /// (`HF_HUB_ETAG_TIMEOUT`) unless set.
    pub fn with_lookup_timeout(self, timeout: Duration) -> Self {
        self.with(|settings| settings.lookup = timeout)
    }

    /// Where downloaded files are kept.
    pub fn cache(&self) -> &Path {
        &self.settings.cache
    }

    /// Whether only the cache is used.
    pub fn is_offline(&self) -> bool {
        self.settings.offline
    }

    /// The page of a repository.
    pub fn address(&self, kind: RepoKind, id: &RepoId) -> String {
        let folder = if kind == RepoKind::Dataset { "datasets/" } else { "" };
        format!("{}/{folder}{}", self.settings.endpoint, id.name())
    }

    /// Makes a request, and makes it again where that may help.
    pub(crate) fn ask<T: Send + 'static>(
        &self,
        asked: &Asked,
        tries: Tries,
        request: impl Fn(&HFClientSync) -> HFResult<T> + Send + Sync + 'static,
    ) -> Result<T> {
        let client = self.client(asked)?;
        let request = Arc::new(request);
        let mut wait = self.first_wait;
        let mut attempt = 1;
        loop {
            let (failed, pause) = match answer(client.clone(), request.clone(), tries.patience) {
                Some(Ok(answer)) => return Ok(answer),
                Some(Err(failure)) => {
                    let pause = match again(&failure) {
                        Again::Soon => Some(wait),
                        Again::Later => Some(wait.saturating_mul(LATER).min(LONGEST_WAIT)),
                        Again::After(wanted) => Some(wanted).filter(|wanted| *wanted <= LONGEST_WAIT),
                        Again::Never => None,
                    };
                    (asked.failed(&failure, &self.settings), pause)
                }
                None => {
                    let (endpoint, seconds) = (&self.settings.endpoint, tries.patience.as_secs_f64());
                    let message = format!("no answer from {endpoint} within {seconds:.0} seconds");
                    (asked.unavailable(message), Some(wait).filter(|_| tries.after_silence))
                }
            };
            let Some(pause) = pause.filter(|_| attempt < tries.attempts) else { return Err(failed) };
            attempt += 1;
            tracing::debug!("{failed}; attempt {attempt} of {} in {:.1} s", tries.attempts, pause.as_secs_f64());
            thread::sleep(pause);
            wait = wait.saturating_mul(2);
        }
    }

    /// [`Hub::ask`] for what is answered at once or not at all.
    pub(crate) fn ask_soon<T: Send + 'static>(
        &self,
        asked: &Asked,
        request: impl Fn(&HFClientSync) -> HFResult<T> + Send + Sync + 'static,
    ) -> Result<T> {
        self.ask(asked, Tries::usual(), request)
    }

    fn client(&self, asked: &Asked) -> Result<HFClientSync> {
        if self.settings.offline {
            return Err(asked.offline("this takes the network; HF_HUB_OFFLINE is set"));
        }
        if let Some(client) = self.client.get() {
            return Ok(client.clone());
        }
        // A text that can stand in no header: hf-hub then sends none. Without a token it would look for one itself.
        let token = self.settings.token.as_ref().map_or("\n", Token::secret);
        let made = HFClient::builder()
            .endpoint(&self.settings.endpoint)
            .token(token)
            .cache_dir(&self.settings.cache)
            .user_agent(concat!("colburn/", env!("CARGO_PKG_VERSION")))
            .retry_max_attempts(0)
            .build_sync()
            .map_err(|failure| asked.failed(&failure, &self.settings))?;
        Ok(self.client.get_or_init(|| made).clone())
    }
}

/// The answer to a request; none if it does not come in time, or the request dies. hf-hub itself would wait forever.
fn answer<T: Send + 'static>(
    client: HFClientSync,
    request: Arc<impl Fn(&HFClientSync) -> HFResult<T> + Send + Sync + 'static>,
    patience: Duration,
) -> Option<HFResult<T>> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || sender.send(request(&client)));
    receiver.recv_timeout(patience).ok()
}

/// A request to a repository by hf-hub's handle of its kind. Its handle for any kind looks data sets up among the models when it
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

/// An error of a file or folder.
pub(crate) fn io(path: &Path) -> impl FnOnce(std::io::Error) -> Error + use<> {
    let path = path.to_owned();
    move |source| Error::Io { path, source }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    /// How often a request was made that is never answered, and what came of it.
    fn unanswered(tries: Tries) -> (u32, Error) {
        let hub = Hub::from_env().with_offline(false).with_first_wait(Duration::from_millis(1));
        let asked = Asked::of(RepoKind::Model, &"org/name".parse().unwrap());
        let count = Arc::new(AtomicU32::new(0));
        let made = count.clone();
        let error = hub.ask(&asked, tries, move |_| {
            made.fetch_add(1, Ordering::Relaxed);
            thread::sleep(Duration::from_secs(60));
            Ok(())
        });
        (count.load(Ordering::Relaxed), error.unwrap_err())
    }

    #[test]
    fn an_answer_is_not_waited_for_for_ever() {
        let soon = Duration::from_millis(100);
        for (tries, times) in [(Tries::usual(), ATTEMPTS), (Tries::once(soon), 1), (Tries::upload(5), 1)] {
            let (made, error) = unanswered(Tries { patience: soon, ..tries });
            assert!(matches!(error, Error::Unavailable { .. }), "{error}");
            assert_eq!(made, times, "{tries:?}");
        }
    }

    #[test]
    fn an_upload_may_take_its_time() {
        assert_eq!(Tries::upload(0).patience, Duration::from_secs(1800));
        assert_eq!(Tries::upload(7_200_000_000).patience, Duration::from_secs(1800 + 7200));
    }
}
