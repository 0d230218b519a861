//! NanoBEIR's layout: a folder with `corpus`, `queries` and `qrels`, each a folder of Parquet files.

use std::path::{Path, PathBuf};

use colburn_data::Dataset;

use super::{Collection, EmptyTexts, assemble, judgements, names, parts::entries, parts::is_data, table};
use crate::error::{Error, Result};

/// The parts of a collection.
const PARTS: [&str; 3] = ["corpus", "queries", "qrels"];

/// The split that NanoBEIR has.
const SPLIT: &str = "train";

impl Collection {
    /// A folder in NanoBEIR's layout: `corpus` and `queries` with `_id` and `text`, `qrels` with `query-id` and `corpus-id` (which may be
    /// a list), each in Parquet files such as `train-00000-of-00001.parquet`, or in files of another format. Only the files of the split `train` are read where names
    /// tell splits.
    ///
    /// As in PyLate's NanoBEIREvaluator, texts that are empty are left out, and titles are not read. Where `qrels` has a column
    /// `score`, it is the grade; PyLate takes every row for relevant.
    ///
    /// The name is PyLate's for the collections of NanoBEIR (`NanoSciFact` for a folder `scifact`), `NanoCranfield` for a folder
    /// `cranfield`.
    ///
    /// # Errors
    /// When a folder, file or column is missing, an id comes twice, a judgement names an unknown id or a grade that is no number, or
    /// nothing is left to search for or in. The message names the file, and the row or what would be right.
    pub fn from_nano_dir(dir: impl AsRef<Path>) -> Result<Self> {
        let dir = dir.as_ref();
        Self::from_nano_dir_as(names::full_name(&names::folder_name(dir)), dir, SPLIT)
    }

    /// The same with another split, as where one repository holds several collections (`NanoSciFact` of
    /// `sentence-transformers/NanoBEIR-en`); the split gives the name.
    ///
    /// # Errors
    /// As [`Collection::from_nano_dir`].
    pub fn from_nano_split(dir: impl AsRef<Path>, split: &str) -> Result<Self> {
        Self::from_nano_dir_as(names::full_name(split), dir.as_ref(), split)
    }

    pub(super) fn from_nano_dir_as(name: String, dir: &Path, split: &str) -> Result<Self> {
        if let Some(missing) = PARTS.iter().find(|part| !dir.join(part).is_dir()) {
            let message = format!("no folder \"{missing}\"; {}", instead(dir));
            return Err(Error::Collection { place: dir.display().to_string(), message });
        }
        let [corpus, queries, qrels] = PARTS.map(|part| load(&dir.join(part), split));
        let (corpus, queries) =
            (table::TextTable::new(corpus?, table::PLAIN)?, table::TextTable::new(queries?, table::PLAIN)?);
        let qrels = qrels?;
        assemble(name, queries, corpus, judgements::of_table(&qrels)?, EmptyTexts::Dropped)
    }
}

/// The advice about a folder that is not a collection.
fn instead(dir: &Path) -> String {
    let expected = "folders corpus, queries and qrels with Parquet files are expected";
    if Collection::is_beir_dir(dir) {
        return format!("{expected}; with corpus.jsonl this is a directory in BEIR's layout");
    }
    let is_collection = |folder: &PathBuf| PARTS.iter().all(|part| folder.join(part).is_dir());
    let inside: Vec<String> =
        entries(dir).into_iter().filter(is_collection).map(|folder| names::folder_name(&folder)).collect();
    match inside[..] {
        [] => expected.to_owned(),
        _ => format!("{expected}, as in the folders {} inside", inside.join(", ")),
    }
}

/// The rows of a split.
fn load(folder: &Path, split: &str) -> Result<Dataset> {
    let files: Vec<PathBuf> = entries(folder).into_iter().filter(|path| is_data(path)).collect();
    let missing = |message: String| Error::Collection { place: folder.display().to_string(), message };
    let stem = |path: &PathBuf| path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let of_split: Vec<&PathBuf> = files
        .iter()
        .filter(|path| {
            stem(path).strip_prefix(split).is_some_and(|rest| rest.is_empty() || rest.starts_with(['-', '.']))
        })
        .collect();
    let Some(first) = files.first() else {
        let wanted = format!("{split}-00000-of-00001.parquet");
        return Err(missing(format!("no Parquet file; {wanted} or {split}.parquet is expected")));
    };
    match of_split[..] {
        [file] => Ok(Dataset::load(file)?),
        // One file is the split, whatever it is called; with several it would be a guess.
        [] if files.len() == 1 && !tells_a_split(&stem(first)) => Ok(Dataset::load(first)?),
        [] => {
            let found: Vec<String> = files.iter().map(|path| names::folder_name(path)).collect();
            Err(missing(format!("no split \"{split}\"; found: {}; {split}-*.parquet is expected", found.join(", "))))
        }
        _ if of_split.iter().any(|path| stem(path) == split) => {
            Err(missing(format!("both {split}.parquet and {split}-*.parquet; only one of them is expected")))
        }
        _ if of_split.len() == files.len() => Ok(Dataset::load(folder)?),
        _ => Ok(Dataset::load(folder.join(format!("{split}-*")))?),
    }
}

/// True if the name of a file says that it is one part of several.
fn tells_a_split(stem: &str) -> bool {
    const SPLITS: [&str; 6] = ["train", "test", "validation", "val", "dev", "eval"];
    stem.split(|c: char| !c.is_alphanumeric()).any(|word| SPLITS.contains(&word))
}
