//! The name of a repository: `org/name`, or `name` alone for the oldest models (`bert-base-uncased`), with the revision after an `@`. A name
//! becomes part of paths and addresses, so names that could lead elsewhere are refused here.

use std::{fmt, str::FromStr};

use crate::{Error, Result};

/// The default revision.
const MAIN: &str = "main";

/// The kind of a repository.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RepoKind {
    /// A model.
    Model,
    /// A data set.
    Dataset,
}

/// The name of a repository on the hub, with a revision: a branch, a tag or a commit.
///
/// ```
/// use colburn_hub::RepoId;
///
/// let id: RepoId = "lightonai/colbertv2.0@v1".parse()?;
/// assert_eq!((id.name(), id.revision()), ("lightonai/colbertv2.0", "v1"));
/// assert_eq!("bert-base-uncased".parse::<RepoId>()?.revision(), "main");
/// assert!("../secrets".parse::<RepoId>().is_err());
/// # Ok::<(), colburn_hub::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RepoId {
    name: String,
    revision: Option<String>,
}

impl RepoId {
    /// The name without the revision: `org/name` or `name`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The organisation or user, if the name has one.
    pub fn owner(&self) -> Option<&str> {
        self.name.split_once('/').map(|(owner, _)| owner)
    }

    /// The branch, tag or commit; `main` unless another is named.
    pub fn revision(&self) -> &str {
        self.revision.as_deref().unwrap_or(MAIN)
    }

    /// The repository of this name with an owner.
    pub(crate) fn owned_by(&self, owner: &str) -> Result<Self> {
        let id: Self = format!("{owner}/{}", self.name).parse()?;
        Ok(Self { revision: self.revision.clone(), ..id })
    }

    /// The same repository at another revision.
    ///
    /// # Errors
    /// When it is not a valid name of a revision.
    pub fn at(&self, revision: &str) -> Result<Self> {
        let wrong =
            |message: &str| Error::Name { name: format!("{}@{revision}", self.name), message: message.to_owned() };
        let allowed = |c: char| c.is_alphanumeric() || "-_./+#=".contains(c);
        if revision.is_empty() || revision.len() > 250 || !revision.chars().all(allowed) {
            return Err(wrong("a branch, a tag or a commit is expected after the @"));
        }
        if revision.split('/').any(|part| part.is_empty() || part.starts_with('.')) {
            return Err(wrong("no part of a revision is empty or begins with a dot"));
        }
        Ok(Self { name: self.name.clone(), revision: Some(revision.to_owned()) })
    }
}

impl FromStr for RepoId {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let wrong = |message: &str| Error::Name { name: text.to_owned(), message: message.to_owned() };
        let (name, revision) = text.split_once('@').map_or((text, None), |(name, revision)| (name, Some(revision)));
        let parts: Vec<&str> = name.split('/').collect();
        if parts.len() > 2 || parts.iter().any(|part| part.is_empty()) {
            return Err(wrong("`org/name` or `name` is expected, with `@revision` after it if need be"));
        }
        // The rules of huggingface_hub's validate_repo_id.
        for part in parts {
            if part.len() > 96 || !part.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c)) {
                return Err(wrong("a name has at most 96 letters, digits, '-', '_' and '.'"));
            }
            if part.starts_with(['-', '.']) || part.ends_with(['-', '.']) || part.contains("--") || part.contains("..")
            {
                return Err(wrong("a name neither begins nor ends with '-' or '.', and has no '--' or '..' in it"));
            }
        }
        let id = Self { name: name.to_owned(), revision: None };
        revision.map_or(Ok(id.clone()), |revision| id.at(revision))
    }
}

impl fmt::Display for RepoId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.revision {
            None => f.write_str(&self.name),
            Some(revision) => write!(f, "{}@{revision}", self.name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_and_written() {
        for (text, name, owner, revision) in [
            ("bert-base-uncased", "bert-base-uncased", None, "main"),
            ("lightonai/GTE-ModernColBERT-v1", "lightonai/GTE-ModernColBERT-v1", Some("lightonai"), "main"),
            ("a/b@refs/pr/1", "a/b", Some("a"), "refs/pr/1"),
            ("a/b@refs/convert/parquet", "a/b", Some("a"), "refs/convert/parquet"),
            (
                "a/b_c.d@0123456789abcdef0123456789abcdef01234567",
                "a/b_c.d",
                Some("a"),
                "0123456789abcdef0123456789abcdef01234567",
            ),
        ] {
            let id: RepoId = text.parse().unwrap();
            assert_eq!((id.name(), id.owner(), id.revision()), (name, owner, revision));
            assert_eq!(id.to_string(), text);
        }
    }

    // >>> from huggingface_hub.utils import validate_repo_id
    // Each of those without an @ is refused by it, too.
    #[test]
    fn what_could_lead_elsewhere_is_refused() {
        for text in [
            "",
            "/",
            "a/",
            "/b",
            "a//b",
            "a/b/c",
            "..",
            "../b",
            "a/..",
            "a/.b",
            ".a/b",
            "a/b.",
            "-a/b",
            "a/b--c",
            "a/b..c",
            "a b",
            "a/b?x",
            "a\\b",
            "a/b%2f",
            "https://huggingface.co/a/b",
            "a/b\n",
            "ü/b",
            "a/b@",
            "a/b@..",
            "a/b@x/../y",
            "a/b@/x",
            "a/b@x/",
            "a/b@x y",
            "a/b@x@y",
            "a/b@x?y",
            "a/b@.x",
            "C:\\models",
        ] {
            let error = text.parse::<RepoId>().unwrap_err().to_string();
            assert!(error.contains(&format!("{text:?}")), "{text}: {error}");
        }
        assert!(format!("a/{}", "b".repeat(97)).parse::<RepoId>().is_err());
    }
}
