//! The files of a data set, found by a file name, a pattern, a directory, or a name on the hub. Data sets often come as shards
//! (`train-00000-of-00004.parquet`, …), so one name often stands for many files; they are sorted by name, so row numbers are
//! the same everywhere. Ambiguous names are errors, because test rows in the training data would go unnoticed.

use std::fs::{self, File};
use std::path::{Component, Path, PathBuf};

use glob::{GlobError, MatchOptions};

use crate::error::{Error, Result};

/// A file format, by the extension of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    Parquet,
    JsonLines,
    Csv,
}

impl Format {
    fn of(path: &Path) -> Option<Self> {
        match path.extension()?.to_str()?.to_ascii_lowercase().as_str() {
            "parquet" => Some(Format::Parquet),
            "jsonl" | "ndjson" => Some(Format::JsonLines),
            "csv" => Some(Format::Csv),
            _ => None,
        }
    }

    fn pattern(self) -> &'static str {
        match self {
            Format::Parquet => "*.parquet",
            Format::JsonLines => "*.jsonl",
            Format::Csv => "*.csv",
        }
    }
}

/// The files of a data set: at least one, sorted, all of one format.
#[derive(Debug)]
pub(crate) struct DataFiles {
    pub(crate) format: Format,
    pub(crate) paths: Vec<PathBuf>,
}

impl DataFiles {
    /// Finds the files that `spec` names. An existing path is that path, even with `*` or `?` in it. A `spec` that cannot be the path of a data
    /// file may be the name of a data set on the hub.
    pub(crate) fn find(spec: &Path) -> Result<Self> {
        if spec.is_file() {
            let format = Format::of(spec).ok_or_else(|| Error::Format { path: spec.to_owned() })?;
            return Ok(DataFiles { format, paths: vec![spec.to_owned()] });
        }
        let not_found = || Error::NotFound { spec: spec.display().to_string() };
        if spec.is_dir() {
            let mut files: Vec<PathBuf> = entries(spec)?;
            files.retain(|path| path.is_file() && !is_hidden(path));
            let found = Self::of_one_format(spec, files)?.ok_or_else(not_found)?;
            found.check_one_split(spec)?;
            return Ok(found);
        }
        if !has_wildcard(&spec.to_string_lossy()) {
            return on_the_hub(spec).unwrap_or_else(|| Err(not_found()));
        }
        let mut files = expand(spec)?;
        files.retain(|path| path.is_file());
        Self::of_one_format(spec, files)?.ok_or_else(not_found)
    }

    /// Sorts the files and drops those that are not data (a README, a licence); `None` if nothing remains.
    fn of_one_format(spec: &Path, mut files: Vec<PathBuf>) -> Result<Option<Self>> {
        files.sort();
        Self::of_files(spec, files)
    }

    /// As [`of_one_format`](Self::of_one_format), in the given order.
    fn of_files(spec: &Path, files: Vec<PathBuf>) -> Result<Option<Self>> {
        let data: Vec<(PathBuf, Format)> =
            files.into_iter().filter_map(|path| Format::of(&path).map(|format| (path, format))).collect();
        let Some(&(_, format)) = data.first() else { return Ok(None) };
        if let Some((other, _)) = data.iter().find(|(_, other)| *other != format) {
            return Err(Error::Ambiguous {
                spec: spec.display().to_string(),
                found: format!("files of several formats ({} and {})", file_name(&data[0].0), file_name(other)),
                example: parent_of(&data[0].0).join(format.pattern()).display().to_string(),
            });
        }
        Ok(Some(DataFiles { format, paths: data.into_iter().map(|(path, _)| path).collect() }))
    }

    /// A directory in the layout of a hub repository may hold train and test side by side.
    fn check_one_split(&self, spec: &Path) -> Result<()> {
        let splits = || self.paths.iter().filter_map(|path| Some((path, split_of(path)?)));
        let Some((_, first)) = splits().next() else { return Ok(()) };
        match splits().find(|(_, split)| *split != first) {
            None => Ok(()),
            Some((_, other)) => Err(Error::Ambiguous {
                spec: spec.display().to_string(),
                found: format!("several splits (\"{first}\" and \"{other}\")"),
                example: spec.join(format!("*{other}{}", self.format.pattern())).display().to_string(),
            }),
        }
    }
}

/// The files of a data set on the hub; `None` if `spec` cannot be its name. A name without an owner is taken for a folder.
#[cfg(feature = "hub")]
fn on_the_hub(spec: &Path) -> Option<Result<DataFiles>> {
    let name = spec.to_str().filter(|_| Format::of(spec).is_none())?;
    let id: colburn_hub::DatasetId = name.parse().ok()?;
    id.id().owner()?;
    let found = colburn_hub::Hub::from_env().dataset(id.id(), id.config(), id.split());
    let wrong = |source| Error::Hub { name: name.to_owned(), source };
    let not_found = || Error::NotFound { spec: name.to_owned() };
    Some(found.map_err(wrong).and_then(|files| DataFiles::of_files(spec, files)?.ok_or_else(not_found)))
}

#[cfg(not(feature = "hub"))]
fn on_the_hub(_: &Path) -> Option<Result<DataFiles>> {
    None
}

/// "train" for `train-00000-of-00002.parquet` and `triplets-train.parquet`; `None` for a name without a split.
fn split_of(path: &Path) -> Option<String> {
    const SPLITS: [&str; 7] = ["train", "test", "validation", "valid", "val", "dev", "eval"];
    let name = file_name(path).to_lowercase();
    name.split(|c: char| !c.is_alphanumeric()).find(|word| SPLITS.contains(word)).map(str::to_owned)
}

fn entries(directory: &Path) -> Result<Vec<PathBuf>> {
    let io = |source| Error::Io { path: directory.to_owned(), source };
    fs::read_dir(directory).map_err(io)?.map(|entry| Ok(entry.map_err(io)?.path())).collect()
}

/// The paths that match a pattern. A hidden file or folder matches only where the pattern has a dot.
fn expand(pattern: &Path) -> Result<Vec<PathBuf>> {
    let Some(text) = pattern.to_str() else { return Ok(Vec::new()) };
    // With `require_literal_leading_dot` the crate drops hidden names even where the pattern has the dot.
    let options =
        MatchOptions { case_sensitive: true, require_literal_separator: true, require_literal_leading_dot: false };
    let Ok(paths) = glob::glob_with(&glob_of(text), options) else { return Ok(Vec::new()) };
    let is_meant = |path: &PathBuf| {
        let names = path.components().rev().zip(pattern.components().rev());
        let starts_with_dot = |part: Component| part.as_os_str().as_encoded_bytes().starts_with(b".");
        names.into_iter().all(|(name, wanted)| !starts_with_dot(name) || starts_with_dot(wanted))
    };
    let io = |error: GlobError| Error::Io { path: error.path().to_owned(), source: error.into() };
    let paths: Vec<PathBuf> = paths.map(|path| path.map_err(io)).collect::<Result<_>>()?;
    Ok(paths.into_iter().filter(is_meant).collect())
}

/// A pattern of `*` and `?` in the language of the crate glob, in which `**` and brackets mean something of their own. (Not globset: its `?`
/// is a byte, not a character.)
fn glob_of(pattern: &str) -> String {
    let mut glob = String::new();
    for c in pattern.chars() {
        match c {
            '*' if glob.ends_with('*') => {}
            '[' | ']' => glob.extend(['[', c, ']']),
            _ => glob.push(c),
        }
    }
    glob
}

fn has_wildcard(text: &str) -> bool {
    text.contains(['*', '?'])
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

fn is_hidden(path: &Path) -> bool {
    file_name(path).starts_with('.')
}

fn parent_of(path: &Path) -> &Path {
    path.parent().unwrap_or(Path::new(""))
}

/// Opens a file that must not be empty: a file of 0 bytes is usually an interrupted copy.
pub(super) fn open(path: &Path) -> Result<File> {
    let io = |source| Error::Io { path: path.to_owned(), source };
    let file = File::open(path).map_err(io)?;
    if file.metadata().map_err(io)?.len() == 0 {
        return Err(Error::Empty { path: path.to_owned(), reason: "an empty file (0 bytes)" });
    }
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(names: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for name in names {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "x").unwrap();
        }
        folder
    }

    fn names(folder: &Path, spec: &str) -> Vec<String> {
        let found = DataFiles::find(&folder.join(spec)).unwrap();
        found.paths.iter().map(|f| f.strip_prefix(folder).unwrap().to_string_lossy().replace('\\', "/")).collect()
    }

    #[test]
    fn wildcards() {
        for (pattern, name, expected) in [
            ("*", "", true),
            ("*.csv", "a.csv", true),
            ("*.csv", "a.csv.gz", false),
            ("train-*-of-*.parquet", "train-00000-of-00002.parquet", true),
            ("train-*", "test-0", false),
            ("a*b*c", "a-b-b-c", true),
            ("a*b*c", "a-b-b-", false),
            ("?.csv", "ü.csv", true),
            ("?.csv", ".csv", false),
            ("**", "anything", true),
            ("plain", "plain", true),
            ("plain", "plainer", false),
            ("a[1]-*", "a[1]-x", true),
            ("a[1]-*", "a1-x", false),
            ("{a}\\?", "{a}\\b", true),
        ] {
            let pattern = glob_of(pattern);
            assert_eq!(glob::Pattern::new(&pattern).unwrap().matches(name), expected, "{pattern} {name}");
        }
    }

    #[test]
    fn shards_come_in_the_order_of_their_names() {
        let folder = folder(&["b/train-2.csv", "b/train-10.csv", "a/train-1.csv", "b/test-1.csv", "b/.train-0.csv"]);
        assert_eq!(names(folder.path(), "b/train-*.csv"), ["b/train-10.csv", "b/train-2.csv"]);
        assert_eq!(names(folder.path(), "*/train-?.csv"), ["a/train-1.csv", "b/train-2.csv"]);
        assert_eq!(names(folder.path(), "a"), ["a/train-1.csv"]);
        assert_eq!(names(folder.path(), "b/test-1.csv"), ["b/test-1.csv"]);
        assert_eq!(names(folder.path(), "b/.t*.csv"), ["b/.train-0.csv"]);
        assert_eq!(names(folder.path(), "?/.t*.csv"), ["b/.train-0.csv"]);
        assert!(DataFiles::find(&folder.path().join("**.csv")).is_err(), "two stars stay within a folder, as one does");
    }

    #[test]
    fn a_file_with_a_star_in_its_name_is_itself() {
        let folder = folder(&["what?.csv", "whats.csv"]);
        assert_eq!(names(folder.path(), "what?.csv"), ["what?.csv"]);
        assert_eq!(names(folder.path(), "wha*.csv"), ["what?.csv", "whats.csv"]);
    }

    #[test]
    fn what_is_no_data_is_left_out() {
        let folder = folder(&["README.md", "part-0.JSONL", "part-1.ndjson", ".hidden.csv"]);
        assert_eq!(names(folder.path(), ""), ["part-0.JSONL", "part-1.ndjson"]);
        assert_eq!(names(folder.path(), "*"), ["part-0.JSONL", "part-1.ndjson"]);
    }

    #[test]
    fn errors_say_what_to_write_instead() {
        let folder = folder(&["mixed/a.csv", "mixed/b.jsonl", "splits/q-test.csv", "splits/q-train.csv", "notes.txt"]);
        let message = |spec: &str| DataFiles::find(&folder.path().join(spec)).unwrap_err().to_string();
        let mixed = message("mixed");
        assert!(mixed.contains("several formats (a.csv and b.jsonl)") && mixed.contains("mixed/*.csv\""), "{mixed}");
        let splits = message("splits");
        assert!(splits.contains("several splits (\"test\" and \"train\")"), "{splits}");
        assert!(splits.contains("splits/*train*.csv\""), "{splits}");
        assert!(message("notes.txt").contains("not a known data format"));
        for spec in ["absent.csv", "absent-*.csv", "absent/*.csv", "notes.txt/*.csv"] {
            let message = message(spec);
            assert!(message.contains(spec) && message.contains("no data file matches"), "{message}");
        }
        let empty = folder.path().join("empty");
        fs::create_dir(&empty).unwrap();
        assert!(message("empty").contains("no data file matches"));
    }
}
