//! A persistent index for exact search: all token vectors of a corpus on disk, mapped into memory, searched tile by tile.
//!
//! A folder with `index.json` and segments that never change. Adding writes a new segment, removing writes a number into `index.json`, and
//! both happen when that file is replaced: whoever is interrupted leaves the index as it was.

mod compact;
mod dtype;
mod ids;
pub(crate) mod lock;
pub(crate) mod manifest;
mod search;
mod segment;
mod segment_writer;
#[cfg(test)]
mod tests;
mod write;

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

pub use dtype::{Dtype, quantize};
pub use manifest::IndexKind;
pub use search::SearchOptions;
pub use write::Added;
#[cfg(feature = "plaid")]
pub(crate) use {search::check_queries, write::check as check_documents};

use ids::{IdTable, Place};
use lock::Lock;
use manifest::{Entry, Manifest};
use segment::Segment;

use crate::{Error, Result};

/// What a new index is made for.
#[derive(Clone, Debug, PartialEq)]
pub struct IndexOptions {
    /// Width of a token vector.
    pub dim: usize,
    /// What the values are stored as, f32.
    pub dtype: Dtype,
    /// The name of the model that the embeddings come from, so that a query of another one can be noticed.
    pub model: Option<String>,
    /// How documents are encoded, as facts by name (a checksum of the weights, a pooling factor): for whoever adds more to make sure that
    /// it is encoded alike. The index itself does not read them.
    pub encoding: BTreeMap<String, String>,
}

impl IndexOptions {
    /// An index of vectors of this width.
    pub fn new(dim: usize) -> Self {
        Self { dim, dtype: Dtype::default(), model: None, encoding: BTreeMap::new() }
    }
}

/// A persistent index that is searched exactly: scores are the MaxSim of the stored vectors.
///
/// Documents have ids that are texts. [`Index::add`] takes new documents, and puts one whose id is there already in place of the old one,
/// as a database's upsert does. [`Index::remove`] takes documents out; the room that they took is given back when they are a quarter of a
/// segment, or by [`Index::compact`].
///
/// Any number of readers may have an index open while one writer changes it. A reader sees the index as it was when it was opened. The
/// first change takes a lock, which is held until the `Index` is dropped; another writer is refused meanwhile ([`Error::Locked`]). The
/// files must not be changed by anything else while they are open, because they are mapped into memory.
///
/// ```
/// use colburn_model::TokenEmbeddings;
/// use colburn_search::{Index, IndexOptions, Packed};
///
/// let folder = tempfile::tempdir()?;
/// let text = |values: &[f32]| TokenEmbeddings { values: values.to_vec(), dim: 2 };
///
/// let mut index = Index::create(folder.path().join("index"), &IndexOptions::new(2))?;
/// index.add(&["east", "north"], &[text(&[1.0, 0.0]), text(&[0.0, 1.0])])?;
/// drop(index);
///
/// let index = Index::open(folder.path().join("index"))?;
/// let query = text(&[0.6, 0.8]);
/// let found = index.search(&Packed::from_embeddings([&query])?, 10)?;
/// assert_eq!(found[0][0].id, "north");
/// assert_eq!(found[0][0].score, 0.8);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Index {
    directory: PathBuf,
    manifest: Manifest,
    /// One for each in the manifest.
    segments: Vec<Segment>,
    /// Made when the first id is looked up.
    table: OnceLock<IdTable>,
    lock: Option<Lock>,
}

impl Index {
    /// Makes an index without documents in a folder that is empty or does not exist, and locks it for writing.
    ///
    /// # Errors
    /// When the folder holds an index or other files, cannot be written, or `dim` is none that a model has.
    pub fn create(directory: impl AsRef<Path>, options: &IndexOptions) -> Result<Self> {
        manifest::check_dim(options.dim)?;
        let directory = directory.as_ref().to_owned();
        let lock = Lock::create(&directory)?;
        let manifest = Manifest::new(options);
        manifest::write(&directory, &manifest)?;
        Ok(Self { directory, manifest, segments: Vec::new(), table: OnceLock::new(), lock: Some(lock) })
    }

    /// Refuses a folder that `create` would refuse, for an exact index as for a PLAID one, before the work is done whose result is to lie
    /// there. Nothing is made or deleted.
    ///
    /// # Errors
    /// When the folder holds an index or other files, or cannot be read.
    pub fn check_vacant(directory: impl AsRef<Path>) -> Result<()> {
        lock::check_vacant(directory.as_ref())
    }

    /// Opens an index. Nothing is locked before the first change.
    ///
    /// # Errors
    /// When the folder is no index, its format is newer than this program, or a file of it is missing, cut or damaged. Damage within the
    /// values themselves cannot be seen.
    pub fn open(directory: impl AsRef<Path>) -> Result<Self> {
        let directory = directory.as_ref().to_owned();
        let (manifest, segments) = load(&directory)?;
        Ok(Self { directory, manifest, segments, table: OnceLock::new(), lock: None })
    }

    /// Takes the lock that the first change would take, to find out early whether somebody else writes, and reads the index anew if it
    /// was changed since it was opened.
    ///
    /// # Errors
    /// [`Error::Locked`] when there is another writer; otherwise as [`Index::open`].
    pub fn lock(&mut self) -> Result<()> {
        if self.lock.is_some() {
            return Ok(());
        }
        let lock = Lock::take(&self.directory)?;
        if Manifest::read(&self.directory)? != self.manifest {
            (self.manifest, self.segments) = load(&self.directory)?;
            self.table = OnceLock::new();
        }
        self.sweep();
        self.lock = Some(lock);
        Ok(())
    }

    /// Deletes the segments that are not, or no longer, in `index.json`.
    fn sweep(&self) {
        lock::sweep(&self.directory, |name| self.manifest.segments.iter().any(|entry| entry.file == name));
    }

    /// The folder.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Number of documents.
    pub fn len(&self) -> usize {
        self.manifest.documents
    }

    /// Whether there is no document.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Number of documents that were removed or replaced, and still take room.
    pub fn removed(&self) -> usize {
        self.manifest.segments.iter().map(|entry| entry.removed.len()).sum()
    }

    /// Number of token vectors, those of removed documents as well.
    pub fn tokens(&self) -> usize {
        self.manifest.segments.iter().map(|entry| entry.tokens).sum()
    }

    /// Number of files that the vectors lie in.
    pub fn segments(&self) -> usize {
        self.segments.len()
    }

    /// Bytes on disk.
    pub fn bytes(&self) -> usize {
        self.segments.iter().map(Segment::bytes).sum()
    }

    /// Width of a token vector.
    pub fn dim(&self) -> usize {
        self.manifest.dim
    }

    /// What the values are stored as.
    pub fn dtype(&self) -> Dtype {
        self.manifest.dtype
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
        self.find(id).is_some()
    }

    /// The ids, in the order in which their documents were added.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        self.places().map(|place| self.id(place))
    }

    /// The places of all documents, in the order in which they were added.
    fn places(&self) -> impl Iterator<Item = Place> + '_ {
        self.manifest.segments.iter().enumerate().flat_map(|(segment, entry)| {
            let live = (0..entry.documents as u32).filter(|document| !entry.removed.contains(document));
            live.map(move |document| (segment as u32, document))
        })
    }

    /// Where the document of an id lies.
    fn find(&self, id: &str) -> Option<Place> {
        let table = self.table.get_or_init(|| {
            let mut table = IdTable::default();
            for place in self.places() {
                table.insert(self.id(place), place, |other| self.id(other) == self.id(place));
            }
            table
        });
        let place = table.find(id, |place| self.id(place) == id)?;
        (!self.manifest.segments[place.0 as usize].removed.contains(&place.1)).then_some(place)
    }

    fn id(&self, (segment, document): Place) -> &str {
        self.segments[segment as usize].id(document as usize)
    }

    /// The places of ids.
    ///
    /// # Errors
    /// When some are not in the index.
    fn find_all<S: AsRef<str>>(&self, ids: &[S]) -> Result<Vec<Place>> {
        let found: Vec<Option<Place>> = ids.iter().map(|id| self.find(id.as_ref())).collect();
        let unknown = ids.iter().zip(&found).filter(|(_, place)| place.is_none()).map(|(id, _)| id.as_ref());
        refuse_unknown(&self.directory, unknown)?;
        Ok(found.into_iter().flatten().collect())
    }
}

/// An error when there is any id among these.
pub(crate) fn refuse_unknown<'a>(directory: &Path, unknown: impl Iterator<Item = &'a str>) -> Result<()> {
    const SHOWN: usize = 5;
    let unknown: Vec<&str> = unknown.collect();
    let count = unknown.len();
    if count == 0 {
        return Ok(());
    }
    let shown: Vec<String> = unknown.iter().take(SHOWN).map(|id| format!("{id:?}")).collect();
    let shown = format!("{}{}", shown.join(", "), if count > SHOWN { ", …" } else { "" });
    Err(Error::UnknownIds { path: directory.to_owned(), count, shown })
}

/// Reads `index.json` and opens what it names. A writer may replace both in between: then there is another `index.json` to go by.
fn load(directory: &Path) -> Result<(Manifest, Vec<Segment>)> {
    let mut manifest = Manifest::read(directory)?;
    loop {
        let open = |entry: &Entry| Segment::open(directory, entry, manifest.dim, manifest.dtype);
        match manifest.segments.iter().map(open).collect() {
            Ok(segments) => return Ok((manifest, segments)),
            Err(Error::Io { path, source }) if source.kind() == io::ErrorKind::NotFound => {
                let newer = Manifest::read(directory)?;
                if newer == manifest {
                    return Err(Error::Io { path, source });
                }
                manifest = newer;
            }
            Err(error) => return Err(error),
        }
    }
}
