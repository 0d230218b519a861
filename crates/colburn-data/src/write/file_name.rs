//! The format that the name of an output file asks for.

use std::path::Path;

/// The names that are understood.
pub(super) const EXPECTED: &str =
    "a name that ends in .parquet, .arrow, .jsonl, .csv or .tsv; the last three may be followed by .gz or .zst";

/// The format of a file to be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FileFormat {
    Parquet,
    Arrow,
    JsonLines(Compression),
    /// With the byte between two cells.
    Delimited(u8, Compression),
}

/// The compression around a text file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Compression {
    None,
    Gzip,
    Zstd,
}

impl FileFormat {
    pub(super) fn of_name(path: &Path) -> Option<Self> {
        let name = path.file_name()?.to_str()?.to_ascii_lowercase();
        let compressions = [(".gz", Compression::Gzip), (".zst", Compression::Zstd)];
        let (plain, compression) = compressions
            .into_iter()
            .find_map(|(ending, compression)| Some((name.strip_suffix(ending)?, compression)))
            .unwrap_or((&name, Compression::None));
        match (plain.rsplit_once('.')?.1, compression) {
            ("parquet", Compression::None) => Some(Self::Parquet),
            ("arrow" | "feather", Compression::None) => Some(Self::Arrow),
            ("jsonl" | "ndjson", compression) => Some(Self::JsonLines(compression)),
            ("csv", compression) => Some(Self::Delimited(b',', compression)),
            ("tsv", compression) => Some(Self::Delimited(b'\t', compression)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_the_format() {
        for (name, expected) in [
            ("a.parquet", Some(FileFormat::Parquet)),
            ("a.Parquet", Some(FileFormat::Parquet)),
            ("a.parquet.gz", None),
            ("folder/a.b.arrow", Some(FileFormat::Arrow)),
            ("a.jsonl", Some(FileFormat::JsonLines(Compression::None))),
            ("a.jsonl.gz", Some(FileFormat::JsonLines(Compression::Gzip))),
            ("a.csv.zst", Some(FileFormat::Delimited(b',', Compression::Zstd))),
            ("a.tsv", Some(FileFormat::Delimited(b'\t', Compression::None))),
            ("a.gz", None),
            ("a.json", None),
            ("a.txt", None),
            ("parquet", None),
            (".gz", None),
            ("..", None),
        ] {
            assert_eq!(FileFormat::of_name(Path::new(name)), expected, "{name}");
        }
    }
}
