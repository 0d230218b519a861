//! `index.json`: what an index consists of. Only what it names exists; it is replaced whole, and that is the moment at which a change
//! happens.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    path::Path,
};

use colburn_model::write_atomic;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;

use super::{Dtype, IndexOptions};
use crate::{Error, Result};

/// The name of the file.
pub(crate) const FILE: &str = "index.json";
/// What `format` says in it.
pub(crate) const FORMAT: &str = "colburn-index";
/// The newest layout that is read, and the one that is written.
pub(crate) const VERSION: u64 = 1;
/// More dimensions are a mistake.
const MOST_DIMENSIONS: usize = 1 << 16;

/// What a folder is an index of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum IndexKind {
    /// All token vectors: [`Index`](crate::Index).
    Exact,
    /// A PLAID index, to be opened as `PlaidIndex` (feature `plaid`).
    Plaid,
}

impl IndexKind {
    /// Which kind the index in a folder is.
    ///
    /// # Errors
    /// When the folder is no index, or one of a newer format.
    pub fn of(directory: impl AsRef<Path>) -> Result<Self> {
        Ok(head(directory.as_ref())?.1)
    }
}

/// The file with what all versions and kinds have in common, checked.
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

/// Puts another file in its place.
pub(crate) fn write<T: Serialize>(directory: &Path, manifest: &T) -> Result<()> {
    let path = directory.join(FILE);
    let text = serde_json::to_string_pretty(manifest).map_err(|error| Error::index(&path, error.to_string()))?;
    Ok(write_atomic(&path, format!("{text}\n").as_bytes())?)
}

/// The name of a folder in a PLAID index. A build without those knows it as well, to tell such a folder from any other.
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

/// What an exact index consists of.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Manifest {
    pub format: String,
    pub version: u64,
    pub kind: IndexKind,
    pub dim: usize,
    pub dtype: Dtype,
    pub model: Option<String>,
    #[serde(default)]
    pub encoding: BTreeMap<String, String>,
    /// How many documents can be found: those of the segments but the removed ones.
    pub documents: usize,
    /// The number of the next segment; none is used twice, so that a name never means two things.
    pub next_segment: u64,
    /// In the order in which documents were added.
    pub segments: Vec<Entry>,
}

/// A segment in the list.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Entry {
    pub file: String,
    pub documents: usize,
    pub tokens: usize,
    /// Documents of it that were removed, by their number in it.
    pub removed: BTreeSet<u32>,
}

impl Entry {
    /// The name of a segment.
    pub fn file(number: u64) -> String {
        format!("segment-{number:06}.safetensors")
    }

    /// The number in a segment's name; `None` for any other name.
    pub fn number(file: &str) -> Option<u64> {
        let number = file.strip_prefix("segment-")?.strip_suffix(".safetensors")?.parse().ok()?;
        (Self::file(number) == file).then_some(number)
    }

    /// Documents that can be found.
    pub fn live(&self) -> usize {
        self.documents.saturating_sub(self.removed.len())
    }

    /// Bytes of the values.
    pub fn bytes(&self, dim: usize, dtype: Dtype) -> usize {
        self.tokens.saturating_mul(dim * dtype.size())
    }
}

impl Manifest {
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

    /// Reads the file of a folder and checks that it is not at odds with itself.
    pub fn read(directory: &Path) -> Result<Self> {
        let manifest: Self = read(directory, IndexKind::Exact)?;
        manifest.check().map_err(|message| Error::index(directory.join(FILE), format!("damaged: {message}")))?;
        Ok(manifest)
    }

    fn check(&self) -> std::result::Result<(), String> {
        check_dim(self.dim).map_err(|error| error.to_string())?;
        let mut numbers = BTreeSet::new();
        for entry in &self.segments {
            let number = Entry::number(&entry.file).ok_or_else(|| format!("{:?} is no segment's name", entry.file))?;
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
        let live: usize = self.segments.iter().map(Entry::live).sum();
        if live != self.documents {
            return Err(format!("documents = {}, but the segments have {live}", self.documents));
        }
        Ok(())
    }

    /// Counts the documents anew.
    pub fn count(&mut self) {
        self.documents = self.segments.iter().map(Entry::live).sum();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest() -> Manifest {
        let mut manifest = Manifest::new(&IndexOptions {
            dtype: Dtype::F16,
            model: Some("models/a".into()),
            encoding: [("weights".to_owned(), "1234".to_owned())].into(),
            ..IndexOptions::new(4)
        });
        let entry = |number, removed: &[u32]| Entry {
            file: Entry::file(number),
            documents: 3,
            tokens: 7,
            removed: removed.iter().copied().collect(),
        };
        manifest.segments = vec![entry(2, &[]), entry(5, &[0, 2])];
        manifest.next_segment = 6;
        manifest.count();
        manifest
    }

    /// What reading says about a file with this text.
    fn read_text(text: &str) -> std::result::Result<Manifest, String> {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(FILE), text).unwrap();
        Manifest::read(folder.path())
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
        assert_eq!(Manifest::read(folder.path()).unwrap(), manifest());
        assert_eq!(manifest().documents, 4);
        assert_eq!(IndexKind::of(folder.path()).unwrap(), IndexKind::Exact);
    }

    #[test]
    fn what_is_no_index_is_told() {
        let folder = tempfile::tempdir().unwrap();
        for path in [folder.path().to_owned(), folder.path().join("absent")] {
            let message = Manifest::read(&path).unwrap_err().to_string();
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
        damaged(|value| value["segments"][0]["file"] = "../a".into(), "\"../a\" is no segment's name");
        damaged(|value| value["segments"][1]["removed"] = vec![3].into(), "has 3 documents, but others were removed");
        damaged(|value| value["segments"][1]["file"] = value["segments"][0]["file"].clone(), "listed twice");
        damaged(|value| value["segments"][1]["documents"] = u64::MAX.into(), "segment-000005");
        damaged(|value| drop(value.as_object_mut().unwrap().remove("segments")), "segments");
    }
}
