//! An open PLAID index, and searches in it.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use ndarray::Array2;
use next_plaid::SearchParameters;

use super::engine::{self, Engine};
use super::files;
use super::manifest::{PlaidManifest, PlaidOptions};
use crate::index::manifest as index_json;
use crate::index::{check_queries, lock::Lock, refuse_unknown};
use crate::{Error, Packed, RerankResult, Result};

/// The options of a search in a PLAID index. Names and values are those of PyLate's `indexes.PLAID`.
#[derive(Clone, Debug, PartialEq)]
pub struct PlaidSearchOptions<'a> {
    /// The number of nearest centroids per query token. The default is 8.
    pub n_ivf_probe: usize,
    /// The number of candidates that are scored by the centroids of their vectors; the best quarter of them, or `k`, are scored by the vectors.
    /// The default is 8192.
    pub n_full_scores: usize,
    /// Only among these documents.
    pub within: Option<&'a [String]>,
}

impl Default for PlaidSearchOptions<'_> {
    fn default() -> Self {
        Self { n_ivf_probe: 8, n_full_scores: 8192, within: None }
    }
}

/// A persistent index that is searched approximately. Token vectors are stored as a centroid and a few bits per value; only documents near a
/// query's centroids are scored, by MaxSim of the stored vectors, so a search does not read the whole index. On disk a vector of width 128 at
/// 4 bits takes 152 bytes, because next-plaid stores its data twice; [`Index`](crate::Index) needs 512 in f32 and 132 in int8. Up to 999
/// documents the embeddings are stored too, because the index is rebuilt when documents are added.
///
/// Vectors should have length 1: next-plaid normalizes what it stores, so only the direction of a vector is kept. `encode` returns such
/// vectors, except with a `pool_factor` above 1: a mean of vectors is shorter than they are, which MaxSim counts and this index does not.
///
/// Ids, upserts, readers, and writers are as with [`Index`](crate::Index). Each change costs a copy of the index, in time and, until it is
/// done, on disk: to add a corpus in parts, use one [`PlaidIndex::update`] for all of them.
#[derive(Debug)]
pub struct PlaidIndex {
    pub(super) directory: PathBuf,
    pub(super) manifest: PlaidManifest,
    /// In next-plaid's order.
    pub(super) ids: Vec<String>,
    /// The numbers of the ids.
    pub(super) numbers: HashMap<String, usize>,
    /// `None` without documents, because next-plaid has no empty index.
    pub(super) index: Option<Engine>,
    lock: Option<Lock>,
}

impl PlaidIndex {
    /// Makes an index without documents in a folder that is empty or does not exist, and locks it for writing.
    ///
    /// # Errors
    /// When the folder holds an index or other files, cannot be written, or an option cannot be used.
    pub fn create(directory: impl AsRef<Path>, options: &PlaidOptions) -> Result<Self> {
        let directory = directory.as_ref().to_owned();
        let manifest = PlaidManifest::new(options)?;
        let lock = Lock::create(&directory)?;
        index_json::write(&directory, &manifest)?;
        Ok(Self { directory, manifest, ids: Vec::new(), numbers: HashMap::new(), index: None, lock: Some(lock) })
    }

    /// Opens an index. Nothing is locked before the first change.
    ///
    /// # Errors
    /// When the folder is not a PLAID index, its format is newer than this program, or a file of it is missing, cut or damaged.
    pub fn open(directory: impl AsRef<Path>) -> Result<Self> {
        Self::load(directory.as_ref().to_owned(), None)
    }

    /// Reads `index.json` and opens its folder. If a writer replaces both meanwhile, the new `index.json` is read.
    fn load(directory: PathBuf, lock: Option<Lock>) -> Result<Self> {
        let mut manifest = PlaidManifest::read(&directory)?;
        loop {
            match engine::open(&directory, &manifest) {
                Ok((ids, index)) => {
                    let numbers = ids.iter().cloned().enumerate().map(|(number, id)| (id, number)).collect();
                    return Ok(Self { directory, manifest, ids, numbers, index: index.map(Engine), lock });
                }
                Err(error) => {
                    let newer = PlaidManifest::read(&directory)?;
                    if newer == manifest {
                        return Err(error);
                    }
                    manifest = newer;
                }
            }
        }
    }

    /// Takes the lock that the first change would take, so that another writer is noticed early. Reads the index again if it was changed since
    /// it was opened.
    ///
    /// # Errors
    /// [`Error::Locked`] when there is another writer; otherwise as [`PlaidIndex::open`].
    pub fn lock(&mut self) -> Result<()> {
        if self.lock.is_some() {
            return Ok(());
        }
        let lock = Lock::take(&self.directory)?;
        if PlaidManifest::read(&self.directory)? == self.manifest {
            self.lock = Some(lock);
        } else {
            *self = Self::load(self.directory.clone(), Some(lock))?;
        }
        Ok(())
    }

    /// The folder.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Number of documents.
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// True if there are no documents.
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// Number of token vectors.
    pub fn tokens(&self) -> usize {
        self.index.as_ref().map_or(0, |index| index.0.num_embeddings())
    }

    /// Number of centroids.
    pub fn centroids(&self) -> usize {
        self.index.as_ref().map_or(0, |index| index.0.num_partitions())
    }

    /// Bytes on disk.
    pub fn bytes(&self) -> u64 {
        self.manifest.folder.as_ref().map_or(0, |folder| files::bytes(&self.directory.join(folder)))
    }

    /// Width of a token vector.
    pub fn dim(&self) -> usize {
        self.manifest.dim
    }

    /// Bits per value.
    pub fn nbits(&self) -> usize {
        self.manifest.nbits
    }

    /// The name of the model that the embeddings come from, if it was given.
    pub fn model(&self) -> Option<&str> {
        self.manifest.model.as_deref()
    }

    /// The properties of the encoding of its documents, from [`PlaidOptions`].
    pub fn encoding(&self) -> &BTreeMap<String, String> {
        &self.manifest.encoding
    }

    /// True if there is a document of this id.
    pub fn contains(&self, id: &str) -> bool {
        self.numbers.contains_key(id)
    }

    /// The ids, in the order in which their documents were added.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        self.ids.iter().map(String::as_str)
    }

    /// The best `k` documents of each query, best first. There are fewer if fewer were candidates; a query without tokens finds none.
    ///
    /// # Errors
    /// When `k` is 0, widths differ, values are not finite, or the index is damaged.
    pub fn search(&self, queries: &Packed, k: usize) -> Result<Vec<Vec<RerankResult<String>>>> {
        self.search_with(queries, k, &PlaidSearchOptions::default())
    }

    /// The same with options.
    ///
    /// # Errors
    /// As [`PlaidIndex::search`], when an option is 0, and when a document to be searched is not in the index.
    pub fn search_with(
        &self,
        queries: &Packed,
        k: usize,
        options: &PlaidSearchOptions<'_>,
    ) -> Result<Vec<Vec<RerankResult<String>>>> {
        for (name, value) in [("k", k), ("n_ivf_probe", options.n_ivf_probe), ("n_full_scores", options.n_full_scores)]
        {
            if value == 0 {
                let message = "a positive number is expected".to_owned();
                return Err(Error::Argument { name, value: value.to_string(), message });
            }
        }
        check_queries(queries, self.dim())?;
        let within: Option<Vec<i64>> = match options.within {
            Some(ids) => {
                let mut numbers: Vec<i64> = self.numbers(ids)?.into_iter().map(|number| number as i64).collect();
                numbers.sort_unstable();
                numbers.dedup();
                Some(numbers)
            }
            None => None,
        };
        let Some(Engine(index)) = &self.index else { return Ok(vec![Vec::new(); queries.len()]) };
        let parameters = SearchParameters {
            top_k: k,
            n_ivf_probe: options.n_ivf_probe,
            // Otherwise there would be fewer results than `k`.
            n_full_scores: options.n_full_scores.max(k),
            // A limit that PyLate's index does not have: centroids below a score are skipped.
            centroid_score_threshold: None,
            ..SearchParameters::default()
        };
        let one = |query: usize| {
            let tokens = queries.range(query);
            if tokens.is_empty() {
                return Ok(Vec::new());
            }
            let values = queries.values()[tokens.start * self.dim()..tokens.end * self.dim()].to_vec();
            let matrix = Array2::from_shape_vec((tokens.len(), self.dim()), values)
                .map_err(|error| Error::index(&self.directory, error.to_string()))?;
            let found = engine::guarded(&self.directory, || index.search(&matrix, &parameters, within.as_deref()))?;
            let result = |(&number, &score): (&i64, &f32)| {
                let id = usize::try_from(number).ok().and_then(|number| self.ids.get(number));
                let unknown = || Error::index(&self.directory, format!("damaged: there is no document {number}"));
                if !score.is_finite() {
                    let message = format!("damaged: the score of query {query} with document {number} is {score}");
                    return Err(Error::index(&self.directory, message));
                }
                Ok(RerankResult { id: id.ok_or_else(unknown)?.clone(), score })
            };
            found.passage_ids.iter().zip(&found.scores).map(result).collect()
        };
        (0..queries.len()).map(one).collect()
    }

    /// The numbers of ids.
    ///
    /// # Errors
    /// When some are not in the index.
    pub(super) fn numbers<S: AsRef<str>>(&self, ids: &[S]) -> Result<Vec<usize>> {
        let unknown = ids.iter().map(AsRef::as_ref).filter(|id| !self.contains(id));
        refuse_unknown(&self.directory, unknown)?;
        Ok(ids.iter().filter_map(|id| self.numbers.get(id.as_ref()).copied()).collect())
    }
}
