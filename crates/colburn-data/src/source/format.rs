//! The formats of data files, and what the name of a file says about them.

use std::path::Path;

/// The format of a data file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// Apache Parquet.
    Parquet,
    /// JSON: an object a line, or an array of objects.
    Json,
    /// A line a row, cells separated by a comma, a tab or another character.
    Csv,
    /// Arrow IPC: a file (also named Feather) or a stream.
    Arrow,
    /// A text a line.
    Text,
}

/// A compression around a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Compression {
    Gzip,
    Zstd,
    Bzip2,
}

impl Format {
    /// The format that a name tells, and the name without the ending of a compression.
    pub(crate) fn of_name(path: &Path) -> Option<Self> {
        match ending(Path::new(&plain_name(path))).as_str() {
            "parquet" | "pq" => Some(Format::Parquet),
            "json" | "jsonl" | "ndjson" => Some(Format::Json),
            "csv" | "tsv" => Some(Format::Csv),
            "arrow" | "feather" | "ipc" => Some(Format::Arrow),
            "txt" => Some(Format::Text),
            _ => None,
        }
    }

    /// A pattern of names of this format.
    pub(crate) fn pattern(self) -> &'static str {
        match self {
            Format::Parquet => "*.parquet",
            Format::Json => "*.jsonl",
            Format::Csv => "*.csv",
            Format::Arrow => "*.arrow",
            Format::Text => "*.txt",
        }
    }

    /// The name, for people.
    pub fn name(self) -> &'static str {
        match self {
            Format::Parquet => "Parquet",
            Format::Json => "JSON",
            Format::Csv => "CSV",
            Format::Arrow => "Arrow",
            Format::Text => "text",
        }
    }
}

/// The name of a file without the ending of a compression.
pub(crate) fn plain_name(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    match ending(path).as_str() {
        "gz" | "gzip" | "zst" | "zstd" | "bz2" => name.rsplit_once('.').map_or("", |(plain, _)| plain).to_owned(),
        _ => name.into_owned(),
    }
}

/// The extension in lower case.
pub(crate) fn ending(path: &Path) -> String {
    path.extension().and_then(|ending| ending.to_str()).unwrap_or_default().to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_the_format() {
        for (name, expected) in [
            ("a.parquet", Some(Format::Parquet)),
            ("a.JSONL", Some(Format::Json)),
            ("train.json", Some(Format::Json)),
            ("a.ndjson.gz", Some(Format::Json)),
            ("collection.tsv", Some(Format::Csv)),
            ("a.csv.ZST", Some(Format::Csv)),
            ("a.feather", Some(Format::Arrow)),
            ("a.txt.bz2", Some(Format::Text)),
            ("a.gz", None),
            ("gz", None),
            ("README.md", None),
            ("parquet", None),
        ] {
            assert_eq!(Format::of_name(Path::new(name)), expected, "{name}");
        }
    }
}
