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
/// The longest wait that a hub may ask for.
const LONGEST_WAIT: Duration = Duration::from_secs(300);
/// After so long without an answer the connection counts as lost.
const PATIENCE: Duration = Duration::from_secs(300);

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
    /// `HF_HUB_DISABLE_IMPLICIT_TOKEN`, as huggingface_hub reads them. Nothing is opened yet.
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

    /// Makes a request, and makes it again where that may help. `patience` is how long an answer may take; uploads may take any time.
    pub(crate) fn ask<T: Send + 'static>(
        &self,
        asked: &Asked,
        patience: Option<Duration>,
        request: impl Fn(&HFClientSync) -> HFResult<T> + Send + Sync + 'static,
    ) -> Result<T> {
        let client = self.client(asked)?;
        let request = Arc::new(request);
        let mut wait = self.first_wait;
        let mut attempt = 1;
        loop {
            let (failed, pause) = match answer(client.clone(), request.clone(), patience) {
                Some(Ok(answer)) => return Ok(answer),
                Some(Err(failure)) => match again(&failure) {
                    Again::Never => return Err(asked.failed(&failure, &self.settings)),
                    Again::After(wanted) => (asked.failed(&failure, &self.settings), wanted),
                },
                None => (asked.unavailable(format!("no answer from {}", self.settings.endpoint)), None),
            };
            let pause = pause.unwrap_or(wait);
            if attempt == ATTEMPTS || pause > LONGEST_WAIT {
                return Err(failed);
            }
            tracing::debug!("{failed}; attempt {} of {ATTEMPTS} in {:.1} s", attempt + 1, pause.as_secs_f64());
            thread::sleep(pause);
            wait *= 2;
            attempt += 1;
        }
    }

    /// [`Hub::ask`] for what is answered at once or not at all.
    pub(crate) fn ask_soon<T: Send + 'static>(
        &self,
        asked: &Asked,
        request: impl Fn(&HFClientSync) -> HFResult<T> + Send + Sync + 'static,
    ) -> Result<T> {
        self.ask(asked, Some(PATIENCE), request)
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
    patience: Option<Duration>,
) -> Option<HFResult<T>> {
    let Some(patience) = patience else { return Some(request(&client)) };
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
