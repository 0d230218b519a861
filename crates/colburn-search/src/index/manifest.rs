//! `index.json`, the list of the parts of an index. Only the parts in it count. It is replaced atomically, and that is the moment of a
//! change.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    path::Path,
};

use colburn_model::write_atomic;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;

use super::dtype::Dtype;
use crate::{Error, Result};

/// The name of the file.
pub(crate) const FILE: &str = "index.json";
/// The value of `format`.
pub(crate) const FORMAT: &str = "colburn-index";
/// The newest known format version, which is the one that is written.
pub(crate) const VERSION: u64 = 1;
/// The largest possible width.
const MOST_DIMENSIONS: usize = 1 << 16;

/// The kind of an index.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum IndexKind {
    /// An exact index of all token vectors: [`Index`](crate::Index).
    Exact,
    /// A PLAID index, to be opened as `PlaidIndex` (feature `plaid`).
    Plaid,
}

impl IndexKind {
    /// The kind of the index in a folder.
    ///
    /// # Errors
    /// When the folder is not an index, or has a newer format.
    pub fn of(directory: impl AsRef<Path>) -> Result<Self> {
        Ok(head(directory.as_ref())?.1)
    }
}

/// Reads the file and checks the keys that all versions and kinds have.
fn head(directory: &Path) -> Result<(Value, IndexKind)> {
    let path = directory.join(FILE);
    let bytes = fs::read(&path).map_err(|source| match source.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => {
            Error::index(directory, format!("there is no index; a folder with {FILE} is expected"))
        }
        _ => Error::Io { path: path.clone(), source },
    })?;
    let value: Value =
        serde_json::from_slice(&bytes).map_err(|error| Error::index(&path, format!("broken JSON: {error}")))?;
    if value["format"] != FORMAT {
        return Err(Error::index(&path, format!("not colburn's: `format` is {}, not \"{FORMAT}\"", value["format"])));
    }
    match value["version"].as_u64() {
        Some(1..=VERSION) => {}
        Some(version) if version > VERSION => {
            let message = format!("format version {version}, but this program reads up to {VERSION}: use a newer one");
            return Err(Error::index(&path, message));
        }
        _ => {
            return Err(Error::index(&path, format!("`version` is {}; a number from 1 is expected", value["version"])));
        }
    }
    let kind = IndexKind::deserialize(&value["kind"])
        .map_err(|_| Error::index(&path, format!("`kind` is {}; \"exact\" or \"plaid\" is expected", value["kind"])))?;
    Ok((value, kind))
}

/// Reads the file of an index of this kind.
pub(crate) fn read<T: DeserializeOwned>(directory: &Path, wanted: IndexKind) -> Result<T> {
    let (value, kind) = head(directory)?;
    let path = directory.join(FILE);
    if kind != wanted {
        let (kind, wanted) = match kind {
            IndexKind::Exact => ("an exact index", "`Index`"),
            IndexKind::Plaid => ("a PLAID index", "`PlaidIndex`, in a build with the feature `plaid`"),
        };
        return Err(Error::index(directory, format!("this is {kind}, to be opened as {wanted}")));
    }
    serde_json::from_value(value).map_err(|error| Error::index(&path, format!("damaged: {error}")))
}

/// Replaces the file.
pub(crate) fn write<T: Serialize>(directory: &Path, manifest: &T) -> Result<()> {
    let path = directory.join(FILE);
    let text = serde_json::to_string_pretty(manifest).map_err(|error| Error::index(&path, error.to_string()))?;
    Ok(write_atomic(&path, format!("{text}\n").as_bytes())?)
}

/// The name of a folder in a PLAID index. A build without the feature `plaid` needs it too, to recognise such a folder.
pub(crate) fn plaid_folder(number: u64) -> String {
    format!("plaid-{number:06}")
}

/// The number in the name of such a folder; `None` for any other name.
pub(crate) fn plaid_number(folder: &str) -> Option<u64> {
    let number = folder.strip_prefix("plaid-")?.parse().ok()?;
    (plaid_folder(number) == folder).then_some(number)
}

/// Refuses a width that no model has.
pub(crate) fn check_dim(dim: usize) -> Result<()> {
    if (1..=MOST_DIMENSIONS).contains(&dim) {
        return Ok(());
    }
    let message = format!("a width from 1 to {MOST_DIMENSIONS} is expected");
    Err(Error::Argument { name: "dim", value: dim.to_string(), message })
}

/// The options of a new index.
#[derive(Clone, Debug, PartialEq)]
pub struct IndexOptions {
    /// Width of a token vector.
    pub dim: usize,
    /// The type of the stored values; the default is f32.
    pub dtype: Dtype,
    /// The name of the model that the embeddings come from, so that queries of another model can be noticed.
    pub model: Option<String>,
    /// Properties of the encoding of documents, by name (a checksum of the weights, a pooling factor). They let a caller check that further
    /// documents are encoded in the same way. The index itself does not read them.
    pub encoding: BTreeMap<String, String>,
}

impl IndexOptions {
    /// An index of vectors of this width.
    pub fn new(dim: usize) -> Self {
        Self { dim, dtype: Dtype::default(), model: None, encoding: BTreeMap::new() }
    }
}

/// The content of `index.json` of an exact index.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct IndexManifest {
    pub format: String,
    pub version: u64,
    pub kind: IndexKind,
    pub dim: usize,
    pub dtype: Dtype,
    pub model: Option<String>,
    #[serde(default)]
    pub encoding: BTreeMap<String, String>,
    /// The number of documents, without removed ones.
    pub documents: usize,
    /// The number of the next segment. No number is used twice, so a name never has two meanings.
    pub next_segment: u64,
    /// In the order in which documents were added.
    pub segments: Vec<SegmentEntry>,
}

/// A segment in the list.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct SegmentEntry {
    pub file: String,
    pub documents: usize,
    pub tokens: usize,
    /// Its removed documents, by their number in it.
    pub removed: BTreeSet<u32>,
}

impl SegmentEntry {
    /// The name of a segment.
    pub fn file(number: u64) -> String {
        format!("segment-{number:06}.safetensors")
    }

    /// The number in a segment's name; `None` for any other name.
    pub fn number(file: &str) -> Option<u64> {
        let number = file.strip_prefix("segment-")?.strip_suffix(".safetensors")?.parse().ok()?;
        (Self::file(number) == file).then_some(number)
    }

    /// The number of documents, without removed ones.
    pub fn live(&self) -> usize {
        self.documents.saturating_sub(self.removed.len())
    }

    /// Bytes of the values.
    pub fn bytes(&self, dim: usize, dtype: Dtype) -> usize {
        self.tokens.saturating_mul(dim * dtype.size())
    }
}

impl IndexManifest {
    /// An index without documents.
    pub fn new(options: &IndexOptions) -> Self {
        let IndexOptions { dim, dtype, model, encoding } = options.clone();
        Self {
            format: FORMAT.to_owned(),
            version: VERSION,
            kind: IndexKind::Exact,
            dim,
            dtype,
            model,
            encoding,
            documents: 0,
            next_segment: 1,
            segments: Vec::new(),
        }
    }

    /// Reads the file of a folder and checks that it is consistent.
    pub fn read(directory: &Path) -> Result<Self> {
        let manifest: Self = read(directory, IndexKind::Exact)?;
        manifest.check().map_err(|message| Error::index(directory.join(FILE), format!("damaged: {message}")))?;
        Ok(manifest)
    }

    fn check(&self) -> std::result::Result<(), String> {
        check_dim(self.dim).map_err(|error| error.to_string())?;
        let mut numbers = BTreeSet::new();
        for entry in &self.segments {
            let number = SegmentEntry::number(&entry.file)
                .ok_or_else(|| format!("{:?} is not the name of a segment", entry.file))?;
            if number >= self.next_segment || !numbers.insert(number) {
                return Err(format!("{} is listed twice, or is not below next_segment", entry.file));
            }
            // Places are pairs of 32 bits.
            if u32::try_from(entry.documents).is_err() {
                return Err(format!("{} has {} documents", entry.file, entry.documents));
            }
            if entry.removed.last().is_some_and(|&last| last as usize >= entry.documents) {
                return Err(format!("{} has {} documents, but others were removed", entry.file, entry.documents));
            }
        }
        let live: usize = self.segments.iter().map(SegmentEntry::live).sum();
        if live != self.documents {
            return Err(format!("documents = {}, but the segments have {live}", self.documents));
        }
        Ok(())
    }

    /// Updates the number of documents.
    pub fn count(&mut self) {
        self.documents = self.segments.iter().map(SegmentEntry::live).sum();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest() -> IndexManifest {
        let mut manifest = IndexManifest::new(&IndexOptions {
            dtype: Dtype::F16,
            model: Some("models/a".into()),
            encoding: [("weights".to_owned(), "1234".to_owned())].into(),
            ..IndexOptions::new(4)
        });
        let entry = |number, removed: &[u32]| SegmentEntry {
            file: SegmentEntry::file(number),
            documents: 3,
            tokens: 7,
            removed: removed.iter().copied().collect(),
        };
        manifest.segments = vec![entry(2, &[]), entry(5, &[0, 2])];
        manifest.next_segment = 6;
        manifest.count();
        manifest
    }

    /// The result of reading a file with this text.
    fn read_text(text: &str) -> std::result::Result<IndexManifest, String> {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(FILE), text).unwrap();
        IndexManifest::read(folder.path())
            .map_err(|error| error.to_string().replace(&format!("{}/", folder.path().display()), ""))
    }

    fn changed(change: impl FnOnce(&mut Value)) -> String {
        let mut value = serde_json::to_value(manifest()).unwrap();
        change(&mut value);
        read_text(&value.to_string()).unwrap_err()
    }

    #[test]
    fn folders_are_numbered_in_one_way() {
        for number in [1, 999_999, 1_000_000, u64::MAX] {
            assert_eq!(plaid_number(&plaid_folder(number)), Some(number));
        }
        for other in ["plaid-1", "plaid-+00001", "plaid-0000001", "plaid-4bit", "plaid-", "../plaid-000001", "plaid"] {
            assert_eq!(plaid_number(other), None, "{other}");
        }
    }

    #[test]
    fn what_was_written_is_read() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), &manifest()).unwrap();
        assert_eq!(IndexManifest::read(folder.path()).unwrap(), manifest());
        assert_eq!(manifest().documents, 4);
        assert_eq!(IndexKind::of(folder.path()).unwrap(), IndexKind::Exact);
    }

    #[test]
    fn what_is_no_index_is_told() {
        let folder = tempfile::tempdir().unwrap();
        for path in [folder.path().to_owned(), folder.path().join("absent")] {
            let message = IndexManifest::read(&path).unwrap_err().to_string();
            assert!(message.contains("there is no index; a folder with index.json is expected"), "{message}");
        }
        assert!(read_text("{").unwrap_err().starts_with("index.json: broken JSON: "));
        assert_eq!(read_text("[]").unwrap_err(), "index.json: not colburn's: `format` is null, not \"colburn-index\"");
        assert_eq!(
            changed(|value| value["version"] = 7.into()),
            "index.json: format version 7, but this program reads up to 1: use a newer one"
        );
        assert!(changed(|value| value["version"] = "1".into()).contains("`version` is \"1\""));
        assert!(changed(|value| value["kind"] = "hnsw".into()).contains("`kind` is \"hnsw\""));
        let plaid = changed(|value| value["kind"] = "plaid".into());
        assert!(plaid.contains("this is a PLAID index, to be opened as `PlaidIndex`"), "{plaid}");
    }

    #[test]
    fn what_is_at_odds_with_itself_is_damaged() {
        let damaged = |change: fn(&mut Value), culprit: &str| {
            let message = changed(change);
            assert!(message.starts_with("index.json: damaged: ") && message.contains(culprit), "{message}");
        };
        damaged(|value| value["dim"] = 0.into(), "dim = 0");
        damaged(|value| value["dtype"] = "f64".into(), "f64");
        damaged(|value| value["documents"] = 9.into(), "documents = 9, but the segments have 4");
        damaged(|value| value["next_segment"] = 5.into(), "segment-000005.safetensors is listed twice");
        damaged(|value| value["segments"][0]["file"] = "../a".into(), "\"../a\" is not the name of a segment");
        damaged(|value| value["segments"][1]["removed"] = vec![3].into(), "has 3 documents, but others were removed");
        damaged(|value| value["segments"][1]["file"] = value["segments"][0]["file"].clone(), "listed twice");
        damaged(|value| value["segments"][1]["documents"] = u64::MAX.into(), "segment-000005");
        damaged(|value| drop(value.as_object_mut().unwrap().remove("segments")), "segments");
    }
}
