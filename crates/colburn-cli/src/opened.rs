//! An index of whichever kind a folder holds, for the commands that work with either.

use std::collections::BTreeMap;
use std::path::Path;

use colburn::model::{ColBert, EncodeOptions};
use colburn::search::{Dtype, Error as SearchError, Index, IndexKind, Packed, RerankResult, Scoring, SearchOptions};
#[cfg(feature = "plaid")]
use colburn::search::{PlaidIndex, PlaidSearchOptions};

use crate::Result;
use crate::command_line::SearchArguments;
use crate::encode::model_files;

/// An open index.
pub enum Opened {
    Exact(Box<Index>),
    #[cfg(feature = "plaid")]
    Plaid(Box<PlaidIndex>),
}

/// The message of a build without PLAID.
#[cfg(not(feature = "plaid"))]
pub fn without_plaid(directory: &Path) -> crate::Error {
    let message = "this build has no PLAID indexes; build it with --features plaid".to_owned();
    SearchError::Index { path: directory.to_owned(), message }.into()
}

impl Opened {
    pub fn open(directory: &Path) -> Result<Self> {
        Ok(match IndexKind::of(directory)? {
            IndexKind::Exact => Self::Exact(Box::new(Index::open(directory)?)),
            #[cfg(feature = "plaid")]
            IndexKind::Plaid => Self::Plaid(Box::new(PlaidIndex::open(directory)?)),
            #[cfg(not(feature = "plaid"))]
            IndexKind::Plaid => return Err(without_plaid(directory)),
        })
    }

    pub fn is_plaid(&self) -> bool {
        match self {
            Self::Exact(_) => false,
            #[cfg(feature = "plaid")]
            Self::Plaid(_) => true,
        }
    }

    /// Checks that this may write; called before there is work done.
    pub fn lock(&mut self) -> Result<()> {
        match self {
            Self::Exact(index) => index.lock()?,
            #[cfg(feature = "plaid")]
            Self::Plaid(index) => index.lock()?,
        }
        Ok(())
    }

    /// True if it holds vectors as f16.
    pub fn holds_f16(&self) -> bool {
        match self {
            Self::Exact(index) => matches!(index.dtype(), Dtype::F16),
            #[cfg(feature = "plaid")]
            Self::Plaid(_) => false,
        }
    }

    pub fn len(&self) -> usize {
        match self {
            Self::Exact(index) => index.len(),
            #[cfg(feature = "plaid")]
            Self::Plaid(index) => index.len(),
        }
    }

    pub fn contains(&self, id: &str) -> bool {
        match self {
            Self::Exact(index) => index.contains(id),
            #[cfg(feature = "plaid")]
            Self::Plaid(index) => index.contains(id),
        }
    }

    pub fn remove(&mut self, ids: &[String]) -> Result<usize> {
        Ok(match self {
            Self::Exact(index) => index.remove(ids)?,
            #[cfg(feature = "plaid")]
            Self::Plaid(index) => index.remove(ids)?,
        })
    }

    /// The best documents of each query; the scores of an exact index are computed in the place that is given.
    pub fn search(
        &self,
        queries: &Packed,
        arguments: &SearchArguments,
        scoring: &Scoring,
    ) -> Result<Vec<Vec<RerankResult<String>>>> {
        let k = arguments.k.get();
        Ok(match self {
            Self::Exact(index) => {
                index.search_with(queries, k, &SearchOptions { scoring: scoring.clone(), ..Default::default() })?
            }
            #[cfg(feature = "plaid")]
            Self::Plaid(index) => {
                let mut options = PlaidSearchOptions::default();
                options.n_ivf_probe = arguments.n_ivf_probe.map_or(options.n_ivf_probe, |number| number.get());
                options.n_full_scores = arguments.n_full_scores.map_or(options.n_full_scores, |number| number.get());
                index.search_with(queries, k, &options)?
            }
        })
    }

    /// Refuses a model whose vectors are not as wide as those of the index, and warns of one with other weights.
    pub fn check_model(&self, model: &ColBert) -> Result<()> {
        let (directory, dim, made_with) = match self {
            Self::Exact(index) => (index.directory(), index.dim(), index.model()),
            #[cfg(feature = "plaid")]
            Self::Plaid(index) => (index.directory(), index.dim(), index.model()),
        };
        let name = model.name_or_path();
        if model.embedding_size() != dim {
            let made = made_with.map(|name| format!(", which was made with {name}")).unwrap_or_default();
            let message = format!(
                "its vectors have {dim} dimensions{made}, but those of {} have {}",
                name.display(),
                model.embedding_size()
            );
            return Err(SearchError::Index { path: directory.to_owned(), message }.into());
        }
        let weights = self.encoding().get(WEIGHTS);
        let other = match weights {
            Some(weights) => *weights != checksum(model)?,
            None => made_with.is_some_and(|made_with| !same(Path::new(made_with), name)),
        };
        if other {
            let made_with = made_with.unwrap_or("another model");
            let what = if weights.is_some() { "other weights than those of" } else { "another model than" };
            tracing::warn!("{}: made with {made_with}, {what} {}", directory.display(), name.display());
        }
        Ok(())
    }

    fn encoding(&self) -> &BTreeMap<String, String> {
        match self {
            Self::Exact(index) => index.encoding(),
            #[cfg(feature = "plaid")]
            Self::Plaid(index) => index.encoding(),
        }
    }

    /// Refuses documents that would be encoded otherwise than those that are there.
    pub fn check_encoding(&self, new: &BTreeMap<String, String>) -> Result<()> {
        let differs = |(key, was): &(&String, &String)| new.get(*key).is_some_and(|is| is != *was);
        let Some((key, was)) = self.encoding().iter().find(differs) else { return Ok(()) };
        let directory = match self {
            Self::Exact(index) => index.directory(),
            #[cfg(feature = "plaid")]
            Self::Plaid(index) => index.directory(),
        };
        let is = new.get(key).map_or("", String::as_str);
        let message = format!(
            "its documents were encoded with {key} {was}, these would be with {is}; encode them alike, or make a new index"
        );
        Err(SearchError::Index { path: directory.to_owned(), message }.into())
    }
}

/// The fingerprint of the weights that an index remembers.
const WEIGHTS: &str = "weights";

/// The settings of the encoding of documents, for an index to remember.
pub fn encoding(model: &ColBert, options: &EncodeOptions) -> Result<BTreeMap<String, String>> {
    let prompt = options.prompt.as_deref().or(model.default_prompt()).unwrap_or_default();
    let facts = [
        (WEIGHTS, checksum(model)?),
        ("pool_factor", options.pool_factor.to_string()),
        ("prompt", format!("{prompt:?}")),
    ];
    Ok(facts.map(|(key, value)| (key.to_owned(), value)).into())
}

/// A checksum of all files of a model that its vectors depend on.
fn checksum(model: &ColBert) -> Result<String> {
    let files = model_files(model.directory())?;
    let facts: Vec<String> =
        files.iter().map(|(name, file)| format!("{name} {} {:08x}", file.bytes, file.crc32)).collect();
    Ok(format!("{:08x}", crc32fast::hash(facts.join("\n").as_bytes())))
}

/// True if two names are those of one folder.
fn same(one: &Path, other: &Path) -> bool {
    one == other || matches!((one.canonicalize(), other.canonicalize()), (Ok(one), Ok(other)) if one == other)
}

/// Options that have no meaning for an exact search.
pub fn refuse_plaid_options(arguments: &SearchArguments) -> Result<()> {
    let given = [("n_ivf_probe", arguments.n_ivf_probe), ("n_full_scores", arguments.n_full_scores)];
    match given.into_iter().find_map(|(name, value)| Some((name, value?))) {
        Some((name, value)) => {
            let message = "an option of PLAID indexes, and this search is exact; leave it out".to_owned();
            Err(SearchError::Argument { name, value: value.to_string(), message }.into())
        }
        None => Ok(()),
    }
}
