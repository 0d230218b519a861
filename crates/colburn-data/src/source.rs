//! From what a user writes to the files that are meant: a file, a pattern, a directory, or a name on the hub. Data sets come as shards
//! (`train-00000-of-00004.parquet`, …), so one name often stands for many files; their order is by name, so that row
//! numbers mean the same everywhere. Whatever could be read in two ways is refused, because rows of a test split that
//! slip into training go unnoticed.

use std::fs;
use std::path::{Component, Path, PathBuf};

use crate::error::{Error, Result};

/// A file format, told by the end of the file's name.
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
pub(crate) struct Source {
    pub(crate) format: Format,
    pub(crate) files: Vec<PathBuf>,
}

impl Source {
    /// Finds the files that `spec` names. A path that exists is taken literally before `*` and `?` mean anything; what can be no path to a
    /// data file may be a data set on the hub.
    pub(crate) fn find(spec: &Path) -> Result<Self> {
        if spec.is_file() {
            let format = Format::of(spec).ok_or_else(|| Error::Format { path: spec.to_owned() })?;
            return Ok(Source { format, files: vec![spec.to_owned()] });
        }
        let not_found = || Error::NotFound { spec: spec.display().to_string() };
        if spec.is_dir() {
            let mut files: Vec<PathBuf> = entries(spec)?;
            files.retain(|path| path.is_file() && !is_hidden(path));
            let source = Self::of_one_format(spec, files)?.ok_or_else(not_found)?;
            source.check_one_split(spec)?;
            return Ok(source);
        }
        if !has_wildcard(&spec.to_string_lossy()) {
            return on_the_hub(spec).unwrap_or_else(|| Err(not_found()));
        }
        let mut files = expand(spec)?;
        files.retain(|path| path.is_file());
        Self::of_one_format(spec, files)?.ok_or_else(not_found)
    }

    /// Leaves out what is no data (a README, a licence); none if nothing remains.
    fn of_one_format(spec: &Path, mut files: Vec<PathBuf>) -> Result<Option<Self>> {
        files.sort();
        Self::of_files(spec, files)
    }

    /// The same in the order in which they are given.
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
        Ok(Some(Source { format, files: data.into_iter().map(|(path, _)| path).collect() }))
    }

    /// A directory in the layout of a hub repository may hold train and test side by side.
    fn check_one_split(&self, spec: &Path) -> Result<()> {
        let splits = || self.files.iter().filter_map(|path| Some((path, split_of(path)?)));
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

/// The files of a data set on the hub; none if it cannot be the name of one. Names without an owner are too much like those of folders.
#[cfg(feature = "hub")]
fn on_the_hub(spec: &Path) -> Option<Result<Source>> {
    let name = spec.to_str().filter(|_| Format::of(spec).is_none())?;
    let id: colburn_hub::DatasetId = name.parse().ok()?;
    id.id().owner()?;
    let found = colburn_hub::Hub::from_env().dataset(id.id(), id.config(), id.split());
    let wrong = |source| Error::Hub { name: name.to_owned(), source };
    let not_found = || Error::NotFound { spec: name.to_owned() };
    Some(found.map_err(wrong).and_then(|files| Source::of_files(spec, files)?.ok_or_else(not_found)))
}

#[cfg(not(feature = "hub"))]
fn on_the_hub(_: &Path) -> Option<Result<Source>> {
    None
}

/// "train" for `train-00000-of-00002.parquet` and `triplets-train.parquet`; none for a name that tells no split.
fn split_of(path: &Path) -> Option<String> {
    const SPLITS: [&str; 7] = ["train", "test", "validation", "valid", "val", "dev", "eval"];
    let name = file_name(path).to_lowercase();
    name.split(|c: char| !c.is_alphanumeric()).find(|word| SPLITS.contains(word)).map(str::to_owned)
}

fn entries(directory: &Path) -> Result<Vec<PathBuf>> {
    let io = |source| Error::Io { path: directory.to_owned(), source };
    fs::read_dir(directory).map_err(io)?.map(|entry| Ok(entry.map_err(io)?.path())).collect()
}

fn expand(pattern: &Path) -> Result<Vec<PathBuf>> {
    let mut found = vec![PathBuf::new()];
    for component in pattern.components() {
        let text = component.as_os_str().to_string_lossy();
        if !matches!(component, Component::Normal(_)) || !has_wildcard(&text) {
            for path in &mut found {
                path.push(component);
            }
            continue;
        }
        let mut next = Vec::new();
        for base in &found {
            let directory = if base.as_os_str().is_empty() { Path::new(".") } else { base.as_path() };
            if !directory.is_dir() {
                continue;
            }
            for entry in entries(directory)? {
                let name = file_name(&entry);
                if matches(&text, &name) && (!is_hidden(&entry) || text.starts_with('.')) {
                    next.extend(entry.file_name().map(|name| base.join(name)));
                }
            }
        }
        found = next;
    }
    Ok(found)
}

fn has_wildcard(text: &str) -> bool {
    text.contains(['*', '?'])
}

/// Whether `*` (any characters) and `?` (one) in `pattern` can stand for parts of `name` so that the two agree.
fn matches(pattern: &str, name: &str) -> bool {
    let (pattern, name): (Vec<char>, Vec<char>) = (pattern.chars().collect(), name.chars().collect());
    let (mut p, mut n) = (0, 0);
    // The last star seen and the first character that it does not stand for: where to go on after a mismatch.
    let mut retry: Option<(usize, usize)> = None;
    while n < name.len() {
        if pattern.get(p) == Some(&'*') {
            retry = Some((p, n));
            p += 1;
        } else if pattern.get(p).is_some_and(|&c| c == '?' || c == name[n]) {
            p += 1;
            n += 1;
        } else if let Some((star, taken)) = retry {
            retry = Some((star, taken + 1));
            p = star + 1;
            n = taken + 1;
        } else {
            return false;
        }
    }
    pattern[p..].iter().all(|&c| c == '*')
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
        let source = Source::find(&folder.join(spec)).unwrap();
        source.files.iter().map(|f| f.strip_prefix(folder).unwrap().to_string_lossy().replace('\\', "/")).collect()
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
        ] {
            assert_eq!(matches(pattern, name), expected, "{pattern} {name}");
        }
    }

    #[test]
    fn shards_come_in_the_order_of_their_names() {
        let folder = folder(&["b/train-2.csv", "b/train-10.csv", "a/train-1.csv", "b/test-1.csv", "b/.train-0.csv"]);
        assert_eq!(names(folder.path(), "b/train-*.csv"), ["b/train-10.csv", "b/train-2.csv"]);
        assert_eq!(names(folder.path(), "*/train-?.csv"), ["a/train-1.csv", "b/train-2.csv"]);
        assert_eq!(names(folder.path(), "a"), ["a/train-1.csv"]);
        assert_eq!(names(folder.path(), "b/test-1.csv"), ["b/test-1.csv"]);
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
        let message = |spec: &str| Source::find(&folder.path().join(spec)).unwrap_err().to_string();
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
