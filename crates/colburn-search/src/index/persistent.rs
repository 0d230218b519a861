//! An open index: its documents and their places.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use super::dtype::Dtype;
use super::ids::{DocumentPlace, IdTable};
use super::lock::{self, Lock};
use super::manifest::{self, IndexManifest, IndexOptions, SegmentEntry};
use super::segment::Segment;
use crate::{Error, Result};

/// A persistent index that is searched exactly: scores are the MaxSim of the stored vectors.
///
/// Ids of documents are texts. [`Index::add`] adds new documents and replaces those with an existing id, as a database's upsert does.
/// [`Index::remove`] removes documents; their space is freed when they are a quarter of a segment, or by [`Index::compact`].
///
/// Any number of readers may have an index open while one writer changes it. A reader sees the index as it was when it was opened. The first
/// change takes a lock, which is held until the `Index` is dropped; another writer is refused meanwhile ([`Error::Locked`]). Nothing else may
/// change the files while they are open, because they are mapped into memory.
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
    pub(super) directory: PathBuf,
    pub(super) manifest: IndexManifest,
    /// The segments of the manifest.
    pub(super) segments: Vec<Segment>,
    /// Made when the first id is looked up.
    pub(super) table: OnceLock<IdTable>,
    lock: Option<Lock>,
}

impl Index {
    /// Makes an index without documents in a folder that is empty or does not exist, and locks it for writing.
    ///
    /// # Errors
    /// When the folder holds an index or other files, cannot be written, or `dim` is not a possible width.
    pub fn create(directory: impl AsRef<Path>, options: &IndexOptions) -> Result<Self> {
        manifest::check_dim(options.dim)?;
        let directory = directory.as_ref().to_owned();
        let lock = Lock::create(&directory)?;
        let manifest = IndexManifest::new(options);
        manifest::write(&directory, &manifest)?;
        Ok(Self { directory, manifest, segments: Vec::new(), table: OnceLock::new(), lock: Some(lock) })
    }

    /// Refuses a folder that `create` would refuse, of an exact or a PLAID index, so that a caller can check it before expensive work. Nothing
    /// is made or deleted.
    ///
    /// # Errors
    /// When the folder holds an index or other files, or cannot be read.
    pub fn check_vacant(directory: impl AsRef<Path>) -> Result<()> {
        lock::check_vacant(directory.as_ref())
    }

    /// Opens an index. Nothing is locked before the first change.
    ///
    /// # Errors
    /// When the folder is not an index, its format is newer than this program, or a file of it is missing, cut or damaged. Damage within the
    /// values is not detected.
    pub fn open(directory: impl AsRef<Path>) -> Result<Self> {
        let directory = directory.as_ref().to_owned();
        let (manifest, segments) = load(&directory)?;
        Ok(Self { directory, manifest, segments, table: OnceLock::new(), lock: None })
    }

    /// Takes the lock that the first change would take, so that another writer is noticed early. Reads the index again if it was changed since
    /// it was opened.
    ///
    /// # Errors
    /// [`Error::Locked`] when there is another writer; otherwise as [`Index::open`].
    pub fn lock(&mut self) -> Result<()> {
        if self.lock.is_some() {
            return Ok(());
        }
        let lock = Lock::take(&self.directory)?;
        if IndexManifest::read(&self.directory)? != self.manifest {
            (self.manifest, self.segments) = load(&self.directory)?;
            self.table = OnceLock::new();
        }
        self.sweep();
        self.lock = Some(lock);
        Ok(())
    }

    /// Deletes the segments that are not in `index.json`.
    pub(super) fn sweep(&self) {
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

    /// True if there are no documents.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Number of removed or replaced documents that still take space.
    pub fn removed(&self) -> usize {
        self.manifest.segments.iter().map(|entry| entry.removed.len()).sum()
    }

    /// Number of token vectors, including those of removed documents.
    pub fn tokens(&self) -> usize {
        self.manifest.segments.iter().map(|entry| entry.tokens).sum()
    }

    /// Number of files with vectors.
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

    /// The type of the stored values.
    pub fn dtype(&self) -> Dtype {
        self.manifest.dtype
    }

    /// The name of the model that the embeddings come from, if it was given.
    pub fn model(&self) -> Option<&str> {
        self.manifest.model.as_deref()
    }

    /// The properties of the encoding of its documents, from [`IndexOptions`].
    pub fn encoding(&self) -> &BTreeMap<String, String> {
        &self.manifest.encoding
    }

    /// True if there is a document of this id.
    pub fn contains(&self, id: &str) -> bool {
        self.find(id).is_some()
    }

    /// The ids, in the order in which their documents were added.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        self.places().map(|place| self.id(place))
    }

    /// The places of all documents, in the order in which they were added.
    pub(super) fn places(&self) -> impl Iterator<Item = DocumentPlace> + '_ {
        self.manifest.segments.iter().enumerate().flat_map(|(segment, entry)| {
            let live = (0..entry.documents as u32).filter(|document| !entry.removed.contains(document));
            live.map(move |document| (segment as u32, document))
        })
    }

    /// The place of the document of an id.
    pub(super) fn find(&self, id: &str) -> Option<DocumentPlace> {
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

    pub(super) fn id(&self, (segment, document): DocumentPlace) -> &str {
        self.segments[segment as usize].id(document as usize)
    }

    /// The places of ids.
    ///
    /// # Errors
    /// When some are not in the index.
    pub(super) fn find_all<S: AsRef<str>>(&self, ids: &[S]) -> Result<Vec<DocumentPlace>> {
        let found: Vec<Option<DocumentPlace>> = ids.iter().map(|id| self.find(id.as_ref())).collect();
        let unknown = ids.iter().zip(&found).filter(|(_, place)| place.is_none()).map(|(id, _)| id.as_ref());
        refuse_unknown(&self.directory, unknown)?;
        Ok(found.into_iter().flatten().collect())
    }
}

/// Returns an error if there is any id among these.
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

/// Reads `index.json` and opens its segments. If a writer replaces both meanwhile, the new `index.json` is read.
fn load(directory: &Path) -> Result<(IndexManifest, Vec<Segment>)> {
    let mut manifest = IndexManifest::read(directory)?;
    loop {
        let open = |entry: &SegmentEntry| Segment::open(directory, entry, manifest.dim, manifest.dtype);
        match manifest.segments.iter().map(open).collect() {
            Ok(segments) => return Ok((manifest, segments)),
            Err(Error::Io { path, source }) if source.kind() == io::ErrorKind::NotFound => {
                let newer = IndexManifest::read(directory)?;
                if newer == manifest {
                    return Err(Error::Io { path, source });
                }
                manifest = newer;
            }
            Err(error) => return Err(error),
        }
    }
}
