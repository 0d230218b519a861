//! A persistent index for approximate search: PLAID (Santhanam et al., 2022), by the crate next-plaid.
//!
//! next-plaid numbers documents by their place, renumbers them when some are deleted, and changes its files one by one. Here documents have
//! ids, and a change is made to a copy of the folder: `index.json` names the folder that counts, and replacing that file is the moment at
//! which the change happens.

mod engine;
mod files;
mod manifest;
#[cfg(test)]
mod tests;
mod update;

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use ndarray::Array2;
use next_plaid::{MmapIndex, SearchParameters};

pub use update::PlaidUpdate;

use crate::index::manifest as head;
use crate::index::{check_queries, lock::Lock, refuse_unknown};
use crate::{Added, Error, Packed, RerankResult, Result};
use colburn_model::TokenEmbeddings;
use manifest::Manifest;

/// What a new PLAID index is made for. Names and values are those of PyLate's `indexes.PLAID`.
#[derive(Clone, Debug, PartialEq)]
pub struct PlaidOptions {
    /// Width of a token vector.
    pub dim: usize,
    /// The name of the model that the embeddings come from, so that a query of another one can be noticed.
    pub model: Option<String>,
    /// How documents are encoded, as facts by name (a checksum of the weights, a pooling factor): for whoever adds more to make sure that
    /// it is encoded alike. The index itself does not read them.
    pub encoding: BTreeMap<String, String>,
    /// Bits a value that remain of the difference between a vector and its centroid, 4: 1, 2, 4 or 8.
    pub nbits: usize,
    /// Iterations of k-means, 4.
    pub kmeans_niters: usize,
    /// Seed of k-means and of its sample, 42.
    pub seed: u64,
}

impl PlaidOptions {
    /// An index of vectors of this width.
    pub fn new(dim: usize) -> Self {
        Self { dim, model: None, encoding: BTreeMap::new(), nbits: 4, kmeans_niters: 4, seed: 42 }
    }
}

/// How to search a PLAID index. Names and values are those of PyLate's `indexes.PLAID`.
#[derive(Clone, Debug, PartialEq)]
pub struct PlaidSearchOptions<'a> {
    /// How many of the nearest centroids of a query token are looked at, 8.
    pub n_ivf_probe: usize,
    /// How many candidates are scored by the centroids of their vectors; the best quarter of them, or `k`, by the vectors. 8192.
    pub n_full_scores: usize,
    /// Only among these documents.
    pub within: Option<&'a [String]>,
}

impl Default for PlaidSearchOptions<'_> {
    fn default() -> Self {
        Self { n_ivf_probe: 8, n_full_scores: 8192, within: None }
    }
}

/// A persistent index that is searched approximately: token vectors are stored as a centroid and a few bits a value, and only documents
/// near a query's centroids are scored, by MaxSim of what is stored. A search does not read all of it. On disk a vector of width 128 at
/// 4 bits takes 152 bytes, because next-plaid keeps what it maps beside what it is made of: 512 with [`Index`](crate::Index) in f32, 132 in
/// int8. Up to 999 documents the embeddings themselves are kept as well, because the index is made anew when some are added.
///
/// Vectors are expected to have length 1: next-plaid brings what it stores to that length, so that it keeps the direction of a vector alone.
/// `encode` gives such vectors, but not with a `pool_factor` over 1: a mean of vectors is shorter than they are, which MaxSim counts and
/// this index would not.
///
/// Ids, upserts, readers, and writers are as with [`Index`](crate::Index). Each change costs a copy of the index, in time and, until it is
/// done, on disk: to add a corpus in parts, use one [`PlaidIndex::update`] for all of them.
#[derive(Debug)]
pub struct PlaidIndex {
    directory: PathBuf,
    manifest: Manifest,
    /// In next-plaid's order.
    ids: Vec<String>,
    /// The numbers of the ids.
    numbers: HashMap<String, usize>,
    /// `None` without documents, of which next-plaid makes no index.
    index: Option<Engine>,
    lock: Option<Lock>,
}

/// An index of next-plaid, which has a `Debug` of none of its parts.
struct Engine(MmapIndex);

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("MmapIndex").field(&self.0.path).finish()
    }
}

impl PlaidIndex {
    /// Makes an index without documents in a folder that is empty or does not exist, and locks it for writing.
    ///
    /// # Errors
    /// When the folder holds an index or other files, cannot be written, or an option cannot be used.
    pub fn create(directory: impl AsRef<Path>, options: &PlaidOptions) -> Result<Self> {
        let directory = directory.as_ref().to_owned();
        let manifest = Manifest::new(options)?;
        let lock = Lock::create(&directory)?;
        head::write(&directory, &manifest)?;
        Ok(Self { directory, manifest, ids: Vec::new(), numbers: HashMap::new(), index: None, lock: Some(lock) })
    }

    /// Opens an index. Nothing is locked before the first change.
    ///
    /// # Errors
    /// When the folder is no PLAID index, its format is newer than this program, or a file of it is missing, cut or damaged.
    pub fn open(directory: impl AsRef<Path>) -> Result<Self> {
        Self::load(directory.as_ref().to_owned(), None)
    }

    /// Reads what `index.json` names. A writer may replace both in between: then there is another `index.json` to go by.
    fn load(directory: PathBuf, lock: Option<Lock>) -> Result<Self> {
        let mut manifest = Manifest::read(&directory)?;
        loop {
            match engine::open(&directory, &manifest) {
                Ok((ids, index)) => {
                    let numbers = ids.iter().cloned().enumerate().map(|(number, id)| (id, number)).collect();
                    return Ok(Self { directory, manifest, ids, numbers, index: index.map(Engine), lock });
                }
                Err(error) => {
                    let newer = Manifest::read(&directory)?;
                    if newer == manifest {
                        return Err(error);
                    }
                    manifest = newer;
                }
            }
        }
    }

    /// Takes the lock that the first change would take, to find out early whether somebody else writes, and reads the index anew if it
    /// was changed since it was opened.
    ///
    /// # Errors
    /// [`Error::Locked`] when there is another writer; otherwise as [`PlaidIndex::open`].
    pub fn lock(&mut self) -> Result<()> {
        if self.lock.is_some() {
            return Ok(());
        }
        let lock = Lock::take(&self.directory)?;
        if Manifest::read(&self.directory)? == self.manifest {
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

    /// Whether there is no document.
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

    /// Bits a value.
    pub fn nbits(&self) -> usize {
        self.manifest.nbits
    }

    /// The name of the model that the embeddings come from, if it was given.
    pub fn model(&self) -> Option<&str> {
        self.manifest.model.as_deref()
    }

    /// How its documents are encoded, as it was told when it was made.
    pub fn encoding(&self) -> &BTreeMap<String, String> {
        &self.manifest.encoding
    }

    /// Whether there is a document of this id.
    pub fn contains(&self, id: &str) -> bool {
        self.numbers.contains_key(id)
    }

    /// The ids, in the order in which their documents were added.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        self.ids.iter().map(String::as_str)
    }

    /// Adds documents, one id and the embeddings of its tokens each. A document whose id is in the index already takes the place of the
    /// old one. All are added or, after an error, none.
    ///
    /// # Errors
    /// As [`PlaidUpdate::add`] and [`PlaidUpdate::commit`].
    pub fn add<S: AsRef<str>>(&mut self, ids: &[S], embeddings: &[TokenEmbeddings]) -> Result<Added> {
        let mut update = self.update()?;
        let added = update.add(ids, embeddings)?;
        update.commit()?;
        Ok(added)
    }

    /// Removes documents; an id that comes twice counts once. All are removed or, after an error, none. Returns how many there were.
    ///
    /// # Errors
    /// [`Error::UnknownIds`] when some are not in the index; otherwise as [`PlaidUpdate::commit`].
    pub fn remove<S: AsRef<str>>(&mut self, ids: &[S]) -> Result<usize> {
        self.lock()?;
        // Before the copy is made.
        self.numbers(ids)?;
        let mut update = self.update()?;
        let removed = update.remove(ids)?;
        update.commit()?;
        Ok(removed)
    }

    /// Begins a change of several parts.
    ///
    /// # Errors
    /// When there is another writer, or the index cannot be copied.
    pub fn update(&mut self) -> Result<PlaidUpdate<'_>> {
        self.lock()?;
        PlaidUpdate::new(self)
    }

    /// The best `k` documents of each query, best first. There are fewer where fewer were looked at; a query without tokens finds none.
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
            // Otherwise there would be fewer results than were asked for.
            n_full_scores: options.n_full_scores.max(k),
            // A rule of its own, which PyLate's index does not have: centroids below a score are not looked at.
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
    fn numbers<S: AsRef<str>>(&self, ids: &[S]) -> Result<Vec<usize>> {
        let unknown = ids.iter().map(AsRef::as_ref).filter(|id| !self.contains(id));
        refuse_unknown(&self.directory, unknown)?;
        Ok(ids.iter().filter_map(|id| self.numbers.get(id.as_ref()).copied()).collect())
    }
}
