//! Repositories on the hub. Paths in the hub's cache contain the name and revision of a repository, so a card can name a model or dataset that
//! was loaded from there. A local path is private and does not go into a card.

use std::path::{Component, Path};

/// A repository on the Hugging Face hub.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HubRepo {
    /// `org/name`, or `name` of the oldest models.
    pub id: String,
    /// The commit, where the path has one.
    pub revision: Option<String>,
}

impl HubRepo {
    /// The repository that a path in the cache of the hub belongs to: `…/models--org--name/snapshots/REVISION/…`, `datasets--…`.
    ///
    /// ```
    /// use std::path::Path;
    /// use colburn_model::card::HubRepo;
    ///
    /// let repo = HubRepo::of(Path::new("hub/datasets--org--name/snapshots/0123abc/data/train.parquet"));
    /// assert_eq!(repo.map(|repo| repo.id), Some("org/name".to_owned()));
    /// assert_eq!(HubRepo::of(Path::new("data/train.parquet")), None);
    /// ```
    pub fn of(path: &Path) -> Option<Self> {
        let mut names = path.components().filter_map(|component| match component {
            Component::Normal(name) => name.to_str(),
            _ => None,
        });
        let folder =
            names.find_map(|name| name.strip_prefix("models--").or_else(|| name.strip_prefix("datasets--")))?;
        let id = folder.replacen("--", "/", 1);
        let revision = names.next().filter(|name| *name == "snapshots").and_then(|_| names.next()).map(str::to_owned);
        is_repo_id(&id).then_some(Self { id, revision })
    }

    /// The first seven digits of the commit.
    pub fn short_revision(&self) -> Option<&str> {
        let revision = self.revision.as_deref()?;
        Some(revision.get(..7).unwrap_or(revision))
    }
}

/// True if a repository of the hub can have this name: `org/name` or `name`, without a revision. Such a name is safe in links and code.
pub fn is_repo_id(name: &str) -> bool {
    let part = |part: &str| {
        let inner = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        (1..=96).contains(&part.len())
            && part.chars().all(inner)
            && !part.starts_with(['-', '.'])
            && !part.ends_with(['-', '.'])
            && !part.contains("--")
            && !part.contains("..")
    };
    match name.split_once('/') {
        Some((owner, name)) => part(owner) && part(name),
        None => part(name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cache_names_its_repositories() {
        let of = |path: &str| HubRepo::of(Path::new(path)).map(|repo| (repo.id, repo.revision.unwrap_or_default()));
        let revision = "0123456789abcdef0123456789abcdef01234567";
        let found = of(&format!(
            "/home/me/.cache/huggingface/hub/models--lightonai--GTE-ModernColBERT-v1/snapshots/{revision}"
        ));
        assert_eq!(found, Some(("lightonai/GTE-ModernColBERT-v1".to_owned(), revision.to_owned())));
        assert_eq!(
            of("hub/models--bert-base-uncased/snapshots/abc/config.json"),
            Some(("bert-base-uncased".to_owned(), "abc".to_owned()))
        );
        assert_eq!(of("hub/datasets--a--b/blobs/abc"), Some(("a/b".to_owned(), String::new())));
        for path in ["models/bert", "models--", "models--a--b--c", "models--../x", "", "models--a b/snapshots/x"] {
            assert_eq!(of(path), None, "{path}");
        }
    }

    #[test]
    fn a_name_is_safe_in_code_and_links() {
        for name in ["bert-base-uncased", "org/name", "a/b_c.d-1"] {
            assert!(is_repo_id(name), "{name}");
        }
        for name in ["", "/", "a/", "/b", "a/b/c", "a\"b", "a b", "../b", "a/..", "a\\b", "a/b@main", "a--b/c", "é/b"]
        {
            assert!(!is_repo_id(name), "{name}");
        }
    }
}
