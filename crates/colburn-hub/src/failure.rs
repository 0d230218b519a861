//! Failed requests: the decision to retry, and the error message. hf-hub's errors have addresses and status codes; a reader needs the
//! repository, the revision, the file, and what to do.

use std::{error::Error as _, time::Duration};

use hf_hub::HFError;

use crate::{Error, RepoId, RepoKind, settings::Settings};

/// The resource of a request, with which every message begins.
#[derive(Clone, Debug)]
pub(crate) struct Resource {
    kind: RepoKind,
    id: RepoId,
    file: Option<String>,
    writes: bool,
}

/// When to retry a failed request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Retry {
    /// After a short wait.
    Soon,
    /// After a long wait: the hub limits the number of requests in five minutes.
    Later,
    /// After the wait that the hub asks for.
    After(Duration),
    Never,
}

impl Resource {
    pub fn of(kind: RepoKind, id: &RepoId) -> Self {
        Self { kind, id: id.clone(), file: None, writes: false }
    }

    pub fn file(&self, path: &str) -> Self {
        Self { file: Some(path.to_owned()), ..self.clone() }
    }

    /// The same resource, for writing.
    pub fn writing(self) -> Self {
        Self { writes: true, ..self }
    }

    /// `model org/name, revision v1, file config.json`.
    pub fn what(&self) -> String {
        let kind = match self.kind {
            RepoKind::Model => "model",
            RepoKind::Dataset => "data set",
        };
        let file = self.file.as_ref().map(|file| format!(", file {file}")).unwrap_or_default();
        format!("{kind} {}, revision {}{file}", self.id.name(), self.id.revision())
    }

    /// An error about this resource.
    pub fn error(&self, message: impl Into<String>) -> Error {
        Error::Hub { what: self.what(), message: message.into() }
    }

    /// The error of a missing answer.
    pub fn unavailable(&self, message: impl Into<String>) -> Error {
        Error::Unavailable { what: self.what(), message: message.into() }
    }

    /// The error of a resource that is not in the cache.
    pub fn offline(&self, message: impl Into<String>) -> Error {
        Error::Offline { what: self.what(), message: message.into() }
    }

    /// The error of a failed request.
    pub fn failed(&self, failure: &HFError, settings: &Settings) -> Error {
        let message = self.message(failure, settings);
        let message = settings.token.as_ref().map_or(message.clone(), |token| token.hidden_in(&message));
        match retry_of(failure) {
            Retry::Never => self.error(message),
            Retry::Soon | Retry::Later | Retry::After(_) => self.unavailable(message),
        }
    }

    fn message(&self, failure: &HFError, settings: &Settings) -> String {
        let Some(Answer { status, code, said }) = answer(failure) else {
            return self.without_answer(failure, settings);
        };
        let said = if said.is_empty() { said } else { format!("; the hub says: {said}") };
        let address = format!("{}/{}", settings.endpoint, self.address());
        let known = settings.token.is_some();
        let advice = match (status, code.as_str()) {
            (_, "RevisionNotFound") => format!("it has no such revision; {address} lists its branches and tags"),
            (404, code) if code == "EntryNotFound" || (code.is_empty() && is_file(failure)) => {
                format!("it has no such file; {address}/tree/{} lists them", self.id.revision())
            }
            (401 | 403, "GatedRepo") => format!(
                "its owners decide who may read it: ask at {address}, and {}",
                if known { "use a token of the account that was let in (HF_TOKEN)" } else { LOG_IN }
            ),
            (401, _) if known && code != "RepoNotFound" => {
                "the hub did not accept the token (401); has it expired? HF_TOKEN, or `hf auth login`, takes a new one"
                    .to_owned()
            }
            (401 | 404, _) if !known => {
                format!("there is no such repository, or it is private: check the name, or {LOG_IN}")
            }
            (401 | 404, _) => {
                "there is no such repository, or the token's account may not see it: check the name, or use \
                               another token (HF_TOKEN)"
                    .to_owned()
            }
            (403, _) if self.writes => {
                "the token does not allow it (403); one with write access to the repository is needed (HF_TOKEN)"
                    .to_owned()
            }
            (403, _) => "the hub forbids it (403)".to_owned(),
            (409 | 412, _) => "somebody else changed the repository at the same time; try it again".to_owned(),
            (413, _) => "it is too large for a single request to this hub".to_owned(),
            (429, _) if known => "too many requests (429), also after waiting; try it again later".to_owned(),
            (429, _) => format!(
                "too many requests (429), also after waiting; try it again later, or {LOG_IN}: more are allowed then"
            ),
            (status @ 500.., _) => format!("the hub has failed ({status}), several times; try it again later"),
            (status, _) => format!("the hub refused ({status})"),
        };
        format!("{advice}{said}")
    }

    /// The message when there was no answer, or none that could be read.
    fn without_answer(&self, failure: &HFError, settings: &Settings) -> String {
        let endpoint = &settings.endpoint;
        let cause = shortened(&causes(failure));
        match failure {
            HFError::RepoNotFound { .. } => "there is no such repository".to_owned(),
            HFError::RevisionNotFound { .. } => "it has no such revision".to_owned(),
            HFError::EntryNotFound { .. } => "it has no such file".to_owned(),
            _ if is_not_json(failure) => format!(
                "the answer from {endpoint} is not that of a hub ({cause}); is the address right (HF_ENDPOINT), or is it the \
                 login page of a network?"
            ),
            HFError::Request { source, .. } if source.is_connect() => format!(
                "no connection to {endpoint} ({cause}); check the network, or set HF_HUB_OFFLINE=1 to use what has been downloaded"
            ),
            HFError::Request { .. } => format!("the connection to {endpoint} failed ({cause}); try it again"),
            HFError::Url(_) => format!("{endpoint:?} is not an address (HF_ENDPOINT): {cause}"),
            _ => cause,
        }
    }

    fn address(&self) -> String {
        match self.kind {
            RepoKind::Model => self.id.name().to_owned(),
            RepoKind::Dataset => format!("datasets/{}", self.id.name()),
        }
    }
}

const LOG_IN: &str = "set HF_TOKEN, or log in with `hf auth login`";

/// When to retry a failed request. Retries help when the hub was busy or failed, or the connection did.
pub(crate) fn retry_of(failure: &HFError) -> Retry {
    if let HFError::RateLimited { retry_after, .. } = failure {
        return retry_after.map_or(Retry::Later, Retry::After);
    }
    if let Some(Answer { status, .. }) = answer(failure) {
        return match status {
            429 => Retry::Later,
            408 | 500 | 502..=504 => Retry::Soon,
            _ => Retry::Never,
        };
    }
    match failure {
        HFError::Request { source, .. } if !is_not_json(failure) && !source.is_builder() && !source.is_redirect() => {
            Retry::Soon
        }
        HFError::CacheLockTimeout { .. } => Retry::Soon,
        _ => Retry::Never,
    }
}

/// True if a file was not found.
fn is_file(failure: &HFError) -> bool {
    matches!(failure, HFError::EntryNotFound { .. })
}

/// An error answer of the hub.
struct Answer {
    status: u16,
    /// `RepoNotFound`, `GatedRepo`, …: the header X-Error-Code.
    code: String,
    said: String,
}

fn answer(failure: &HFError) -> Option<Answer> {
    let answer = |status: u16, code: &Option<String>, said: &Option<String>| {
        let [code, said] = [code, said].map(|text| shortened(text.as_deref().unwrap_or_default()));
        Some(Answer { status, code, said })
    };
    match failure {
        HFError::Http { context }
        | HFError::AuthRequired { context }
        | HFError::Forbidden { context }
        | HFError::Conflict { context }
        | HFError::RateLimited { context, .. } => {
            answer(context.status.as_u16(), &context.error_code, &context.server_message)
        }
        HFError::RepoNotFound { context: Some(context), .. }
        | HFError::RevisionNotFound { context: Some(context), .. }
        | HFError::EntryNotFound { context: Some(context), .. } => {
            answer(context.status.as_u16(), &context.error_code, &context.server_message)
        }
        _ => None,
    }
}

/// True if an answer was not the expected JSON.
fn is_not_json(failure: &HFError) -> bool {
    let mut source = Some(failure as &dyn std::error::Error);
    while let Some(error) = source {
        if error.is::<serde_json::Error>() {
            return true;
        }
        source = error.source();
    }
    matches!(failure, HFError::Json(_) | HFError::MalformedResponse { .. })
}

/// The message of an error and of its sources.
fn causes(failure: &HFError) -> String {
    let mut said = vec![match failure {
        // Its own words name the address, which may be long and signed.
        HFError::Request { .. } => String::new(),
        other => other.to_string(),
    }];
    let mut source = failure.source();
    while let Some(error) = source {
        let text = error.to_string();
        let text = text.split(" for url (").next().unwrap_or_default().to_owned();
        if !said.iter().any(|known| known.contains(&text)) {
            said.push(text);
        }
        source = error.source();
    }
    said.retain(|text| !text.is_empty());
    said.join(": ")
}

/// One line of readable length.
fn shortened(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(300) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}
