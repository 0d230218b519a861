//! The files of a collection in a folder, by the beginnings of their names: `corpus.jsonl`, `corpus.jsonl.gz`, `corpus.parquet`, ….

use std::path::{Path, PathBuf};

/// The endings of files with rows.
const DATA: [&str; 9] = ["jsonl", "ndjson", "json", "csv", "tsv", "parquet", "arrow", "feather", "txt"];

/// The endings of compressed files, after that of their format.
const COMPRESSED: [&str; 3] = ["gz", "zst", "bz2"];

/// The entries of a folder, in order; none when it cannot be read.
pub(super) fn entries(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut entries: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    entries.sort();
    entries
}

/// The name of a file without the endings of its format and compression, and the format's ending.
pub(super) fn split_name(path: &Path) -> Option<(String, String)> {
    let name = path.file_name()?.to_str()?;
    let inner = match name.rsplit_once('.') {
        Some((inner, ending)) if COMPRESSED.contains(&ending.to_ascii_lowercase().as_str()) => inner,
        _ => name,
    };
    let (stem, ending) = inner.rsplit_once('.')?;
    Some((stem.to_owned(), ending.to_ascii_lowercase()))
}

/// True for a file with rows that is not hidden.
pub(super) fn is_data(path: &Path) -> bool {
    split_name(path).is_some_and(|(stem, ending)| !stem.is_empty() && DATA.contains(&ending.as_str())) && path.is_file()
}

/// The files of a folder that have this name before their endings; the one in `usual` alone if it is there.
pub(super) fn named(folder: &Path, stem: &str, usual: &str, is_file: impl Fn(&Path) -> bool) -> Vec<PathBuf> {
    let usual = folder.join(format!("{stem}.{usual}"));
    if usual.is_file() {
        return vec![usual];
    }
    let of_name = |path: &PathBuf| split_name(path).is_some_and(|(name, _)| name == stem);
    entries(folder).into_iter().filter(|path| is_file(path) && of_name(path)).collect()
}
