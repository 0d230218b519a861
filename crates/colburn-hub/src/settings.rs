//! Address, token and cache, from the environment variables of huggingface_hub with their meanings there (huggingface_hub/constants.py,
//! utils/_auth.py). A machine that is set up for Python is set up for this crate.

use std::{
    env, fmt, fs,
    path::{Path, PathBuf},
    time::Duration,
};

const ENDPOINT: &str = "https://huggingface.co";
/// huggingface_hub's `DEFAULT_ETAG_TIMEOUT`.
const LOOKUP: Duration = Duration::from_secs(10);

/// The settings of all requests.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// The address, without a slash at its end.
    pub endpoint: String,
    pub token: Option<Token>,
    pub cache: PathBuf,
    pub offline: bool,
    /// The time limit for the lookup of a revision whose earlier commit is in the cache.
    pub lookup: Duration,
}

/// A secret that is sent to the hub only, and never displayed.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Token(String);

impl Token {
    /// A token without line ends; `None` if it is empty.
    pub fn new(text: &str) -> Option<Self> {
        let token: String = text.chars().filter(|c| !matches!(c, '\r' | '\n')).collect();
        Some(token.trim().to_owned()).filter(|token| !token.is_empty()).map(Self)
    }

    pub fn secret(&self) -> &str {
        &self.0
    }

    /// The text without the secret: a server may repeat it.
    pub fn hidden_in(&self, text: &str) -> String {
        text.replace(&self.0, "(token)")
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(token)")
    }
}

impl Settings {
    pub fn from_env() -> Self {
        Self::read(|name| env::var(name).ok().filter(|value| !value.is_empty()), env::home_dir().as_deref())
    }

    /// The settings of an environment with this home directory.
    fn read(variable: impl Fn(&str) -> Option<String>, home: Option<&Path>) -> Self {
        let path = |name: &str| variable(name).map(|path| expanded(&path, home));
        let in_home = || home.map_or_else(|| PathBuf::from(".cache"), |home| home.join(".cache"));
        let hf_home =
            path("HF_HOME").unwrap_or_else(|| path("XDG_CACHE_HOME").unwrap_or_else(in_home).join("huggingface"));
        let cache =
            path("HF_HUB_CACHE").or_else(|| path("HUGGINGFACE_HUB_CACHE")).unwrap_or_else(|| hf_home.join("hub"));
        let token_path = path("HF_TOKEN_PATH").unwrap_or_else(|| hf_home.join("token"));
        let from_variables =
            ["HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"].iter().find_map(|name| Token::new(&variable(name)?));
        let token = match is_true(variable("HF_HUB_DISABLE_IMPLICIT_TOKEN")) {
            true => None,
            false => from_variables.or_else(|| Token::new(&fs::read_to_string(token_path).ok()?)),
        };
        let seconds = variable("HF_HUB_ETAG_TIMEOUT").and_then(|seconds| seconds.trim().parse::<u32>().ok());
        Self {
            endpoint: endpoint(&variable("HF_ENDPOINT").unwrap_or_else(|| ENDPOINT.to_owned())),
            token,
            cache,
            offline: is_true(variable("HF_HUB_OFFLINE").or_else(|| variable("TRANSFORMERS_OFFLINE"))),
            lookup: seconds
                .filter(|seconds| *seconds > 0)
                .map_or(LOOKUP, |seconds| Duration::from_secs(seconds.into())),
        }
    }
}

/// An address without slashes at its end.
pub(crate) fn endpoint(address: &str) -> String {
    address.trim().trim_end_matches('/').to_owned()
}

fn is_true(value: Option<String>) -> bool {
    value.is_some_and(|value| ["1", "ON", "YES", "TRUE"].contains(&value.to_uppercase().as_str()))
}

fn expanded(path: &str, home: Option<&Path>) -> PathBuf {
    match (path.strip_prefix("~/"), home) {
        (Some(rest), Some(home)) => home.join(rest),
        _ => PathBuf::from(path),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(variables: &[(&str, &str)], home: &Path) -> Settings {
        let value = |name: &str| Some(variables.iter().find(|(known, _)| *known == name)?.1.to_owned());
        Settings::read(value, Some(home))
    }

    fn token(variables: &[(&str, &str)], home: &Path) -> Option<String> {
        settings(variables, home).token.map(|token| token.secret().to_owned())
    }

    #[test]
    fn an_empty_environment_is_hugging_faces_own_hub() {
        let settings = settings(&[], Path::new("/home/ada"));
        assert_eq!((settings.endpoint.as_str(), settings.offline), ("https://huggingface.co", false));
        assert_eq!(settings.cache, Path::new("/home/ada/.cache/huggingface/hub"));
        assert_eq!(settings.token, None);
    }

    // The paths of huggingface_hub.constants under each of these variables.
    #[test]
    fn variables_say_where_the_cache_is() {
        let home = Path::new("/home/ada");
        for (variables, cache) in [
            (&[("XDG_CACHE_HOME", "/x")][..], "/x/huggingface/hub"),
            (&[("XDG_CACHE_HOME", "/x"), ("HF_HOME", "/h")], "/h/hub"),
            (&[("HF_HOME", "~/h")], "/home/ada/h/hub"),
            (&[("HF_HOME", "/h"), ("HUGGINGFACE_HUB_CACHE", "/old")], "/old"),
            (&[("HF_HOME", "/h"), ("HUGGINGFACE_HUB_CACHE", "/old"), ("HF_HUB_CACHE", "/c")], "/c"),
        ] {
            assert_eq!(settings(variables, home).cache, Path::new(cache), "{variables:?}");
        }
        assert_eq!(settings(&[("HF_ENDPOINT", "http://mirror:8080/")], home).endpoint, "http://mirror:8080");
    }

    #[test]
    fn a_lookup_takes_so_many_seconds() {
        for (value, seconds) in [("", 10), ("3", 3), ("0", 10), ("-1", 10), ("long", 10)] {
            let lookup = settings(&[("HF_HUB_ETAG_TIMEOUT", value)], Path::new("/")).lookup;
            assert_eq!(lookup, Duration::from_secs(seconds), "{value:?}");
        }
    }

    #[test]
    fn offline_is_a_truth_value() {
        for (variables, offline) in [
            (&[("HF_HUB_OFFLINE", "1")][..], true),
            (&[("HF_HUB_OFFLINE", "yes")], true),
            (&[("HF_HUB_OFFLINE", "0")], false),
            (&[("TRANSFORMERS_OFFLINE", "True")], true),
            (&[("HF_HUB_OFFLINE", "0"), ("TRANSFORMERS_OFFLINE", "1")], false),
        ] {
            assert_eq!(settings(variables, Path::new("/")).offline, offline, "{variables:?}");
        }
    }

    #[test]
    fn the_token_comes_from_a_variable_or_from_a_file() {
        let home = tempfile::tempdir().unwrap();
        let home = home.path();
        fs::create_dir_all(home.join(".cache/huggingface")).unwrap();
        fs::write(home.join(".cache/huggingface/token"), " hf_home\n").unwrap();
        fs::write(home.join("token"), "hf_file\r\n").unwrap();
        let file = home.join("token");
        let file = file.to_str().unwrap();
        assert_eq!(token(&[], home).as_deref(), Some("hf_home"));
        assert_eq!(token(&[("HF_TOKEN_PATH", file)], home).as_deref(), Some("hf_file"));
        assert_eq!(token(&[("HF_TOKEN_PATH", "~/token")], home).as_deref(), Some("hf_file"));
        assert_eq!(token(&[("HF_TOKEN_PATH", "/absent")], home), None);
        assert_eq!(token(&[("HF_TOKEN", "hf_env"), ("HF_TOKEN_PATH", file)], home).as_deref(), Some("hf_env"));
        assert_eq!(
            token(&[("HF_TOKEN", " \n"), ("HUGGING_FACE_HUB_TOKEN", "hf_old")], home).as_deref(),
            Some("hf_old")
        );
        assert_eq!(token(&[("HF_TOKEN", "hf_env"), ("HF_HUB_DISABLE_IMPLICIT_TOKEN", "1")], home), None);
        assert_eq!(token(&[("HF_TOKEN", "a\nb"), ("HF_HUB_DISABLE_IMPLICIT_TOKEN", "0")], home).as_deref(), Some("ab"));
    }

    #[test]
    fn a_token_does_not_show_itself() {
        let settings = settings(&[("HF_TOKEN", "hf_secret")], Path::new("/"));
        assert!(!format!("{settings:?}").contains("hf_secret"));
        assert_eq!(settings.token.unwrap().hidden_in("Bearer hf_secret is bad"), "Bearer (token) is bad");
    }
}
