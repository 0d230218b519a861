//! The files of a source: a path, a pattern, a folder, or a name on the hub. Data sets often come as shards
//! (`train-00000-of-00004.parquet`, …), so one name often stands for many files; they are sorted by name, so row numbers are
//! the same everywhere. Ambiguous names are errors, because test rows in the training data would go unnoticed.

use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::source::folders::{self, FolderColumn};
use crate::source::format::Format;
use crate::source::{Source, patterns, splits};

/// A file of a source.
#[derive(Debug, PartialEq)]
pub(crate) struct DataFile {
    pub(crate) path: PathBuf,
    /// Columns that the names of its folders make.
    pub(crate) columns: Vec<FolderColumn>,
}

/// The files of a source in their order, at least one. An existing path is that path, even with `*` or `?` in it. A name that cannot
/// be the path of a data file may be the name of a data set on the hub.
pub(crate) fn find(source: &Source) -> Result<Vec<DataFile>> {
    let spec = source.spec.as_path();
    if spec.is_file() {
        return Ok(vec![DataFile { path: spec.to_owned(), columns: Vec::new() }]);
    }
    if spec.is_dir() {
        return in_folder(source, spec);
    }
    if !patterns::has_wildcard(spec) {
        return on_the_hub(source).unwrap_or_else(|| Err(not_found(spec)));
    }
    let base = patterns::base(spec);
    let found = patterns::expand(spec)?;
    let of_split = match source.split {
        Some(_) => splits::choose(spec, &base, source.split.as_deref(), found)?,
        None => found,
    };
    with_columns(&base, of_one_format(source, of_split)?.ok_or_else(|| not_found(spec))?)
}

fn in_folder(source: &Source, folder: &Path) -> Result<Vec<DataFile>> {
    let split_folder = folders::of_split(folder, source.split.as_deref())?;
    let is_split = split_folder.is_some();
    let folder = split_folder.as_deref().unwrap_or(folder);
    if let Some(files) = folders::saved(folder)? {
        return with_columns(folder, files);
    }
    let files = folders::files(folder)?.into_iter().filter(|path| !folders::is_no_data(path)).collect();
    let files = of_one_format(source, files)?.ok_or_else(|| not_found(folder))?;
    let split = source.split.as_deref().filter(|_| !is_split);
    with_columns(folder, splits::choose(folder, folder, split, files)?)
}

fn with_columns(base: &Path, paths: Vec<PathBuf>) -> Result<Vec<DataFile>> {
    Ok(paths.into_iter().map(|path| DataFile { columns: folders::columns(base, &path), path }).collect())
}

fn not_found(spec: &Path) -> Error {
    Error::NotFound { spec: spec.display().to_string() }
}

/// The files with a name of data (not a README, a licence); `None` if nothing remains. Where the format is given, all are data.
fn of_one_format(source: &Source, files: Vec<PathBuf>) -> Result<Option<Vec<PathBuf>>> {
    if source.format.is_some() {
        return Ok((!files.is_empty()).then_some(files));
    }
    let mut data: Vec<(PathBuf, Format)> =
        files.into_iter().filter_map(|path| Format::of_name(&path).map(|format| (path, format))).collect();
    // Beside files of another format, a text file is a note.
    if data.iter().any(|(_, format)| *format != Format::Text) {
        data.retain(|(_, format)| *format != Format::Text);
    }
    let Some((first, format)) = data.first() else { return Ok(None) };
    if let Some((other, _)) = data.iter().find(|(_, other)| other != format) {
        let name = |path: &Path| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        return Err(Error::Ambiguous {
            spec: source.spec.display().to_string(),
            found: format!("files of several formats ({} and {})", name(first), name(other)),
            example: first.parent().unwrap_or(Path::new("")).join(format.pattern()).display().to_string(),
        });
    }
    Ok(Some(data.into_iter().map(|(path, _)| path).collect()))
}

/// The files of a data set on the hub; `None` if the name cannot be one. A name without an owner is taken for a folder.
#[cfg(feature = "hub")]
fn on_the_hub(source: &Source) -> Option<Result<Vec<DataFile>>> {
    let spec = source.spec.as_path();
    let name = spec.to_str().filter(|_| Format::of_name(spec).is_none())?;
    let id: colburn_hub::DatasetId = name.parse().ok()?;
    id.id().owner()?;
    let split = id.split().or(source.split.as_deref());
    let found = colburn_hub::Hub::from_env().dataset(id.id(), id.config(), split);
    let wrong = |source| Error::Hub { name: name.to_owned(), source };
    let files = found.map_err(wrong).and_then(|files| of_one_format(source, files)?.ok_or_else(|| not_found(spec)));
    Some(files.map(|files| files.into_iter().map(|path| DataFile { path, columns: Vec::new() }).collect()))
}

#[cfg(not(feature = "hub"))]
fn on_the_hub(_: &Source) -> Option<Result<Vec<DataFile>>> {
    None
}

#[cfg(test)]
mod tests {
    use std::fs;

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

    fn found(source: &Source, folder: &Path) -> Vec<String> {
        let found = find(source).unwrap();
        found.iter().map(|f| f.path.strip_prefix(folder).unwrap().to_string_lossy().replace('\\', "/")).collect()
    }

    fn names(folder: &Path, spec: &str) -> Vec<String> {
        found(&Source::new(folder.join(spec)), folder)
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
        let missing = Source::new(folder.path().join("**.csv"));
        assert!(find(&missing).is_err(), "two stars in a name stay within a folder, as one does");
    }

    #[test]
    fn two_stars_and_folders_reach_down() {
        let folder = folder(&["b/c/train-2.csv", "train-1.csv", "b/.c/train-3.csv", "b/test-1.csv"]);
        assert_eq!(names(folder.path(), "**/train-*.csv"), ["b/c/train-2.csv", "train-1.csv"]);
        assert_eq!(names(folder.path(), "b/**/*2.csv"), ["b/c/train-2.csv"]);
        assert_eq!(names(folder.path(), "b/c"), ["b/c/train-2.csv"]);
        let train = Source::new(folder.path()).with_split("train");
        assert_eq!(found(&train, folder.path()), ["b/c/train-2.csv", "train-1.csv"]);
    }

    #[test]
    fn a_link_to_its_own_folder_is_followed_once() {
        let folder = folder(&["a/b/part.csv"]);
        #[cfg(unix)]
        std::os::unix::fs::symlink(folder.path().join("a"), folder.path().join("a/b/again")).unwrap();
        assert_eq!(names(folder.path(), "a"), ["a/b/part.csv"]);
    }

    #[test]
    fn a_file_with_a_star_in_its_name_is_itself() {
        let folder = folder(&["what?.csv", "whats.csv"]);
        assert_eq!(names(folder.path(), "what?.csv"), ["what?.csv"]);
        assert_eq!(names(folder.path(), "wha*.csv"), ["what?.csv", "whats.csv"]);
    }

    #[test]
    fn what_is_no_data_is_left_out() {
        let folder = folder(&[
            "README.md",
            "README.txt",
            "notes.txt",
            "dataset_infos.json",
            "p-0.JSONL",
            "p-1.json.gz",
            ".h.csv",
        ]);
        assert_eq!(names(folder.path(), ""), ["p-0.JSONL", "p-1.json.gz"]);
        let texts = Source::new(folder.path().join("*.txt"));
        assert_eq!(found(&texts, folder.path()), ["README.txt", "notes.txt"]);
        let given = Source::new(folder.path().join("README*")).with_format(Format::Text);
        assert_eq!(found(&given, folder.path()), ["README.md", "README.txt"]);
    }

    #[test]
    fn hive_folders_make_columns() {
        let folder = folder(&["d/lang=en/p.csv", "d/lang=de/p.csv"]);
        for source in [Source::new(folder.path().join("d")), Source::new(folder.path().join("d/*/*.csv"))] {
            let columns: Vec<_> = find(&source).unwrap().into_iter().map(|file| file.columns).collect();
            let lang = |value: &str| vec![("lang".to_owned(), Some(value.to_owned()))];
            assert_eq!(columns, [lang("de"), lang("en")]);
        }
    }

    #[test]
    fn the_splits_of_a_saved_dict_are_folders() {
        // from datasets import Dataset, DatasetDict
        // rows = Dataset.from_dict({"query": ["a"]})
        // DatasetDict({"train": rows, "dev": rows}).save_to_disk("dict")
        let folder = folder(&["dict/train/b.arrow", "dict/train/a.arrow", "dict/dev/a.arrow"]);
        let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
        write("dict/dataset_dict.json", "{\"splits\": [\"train\", \"dev\"]}");
        write("dict/train/state.json", "{\"_data_files\": [{\"filename\": \"b.arrow\"}, {\"filename\": \"a.arrow\"}]}");
        let source = Source::new(folder.path().join("dict"));
        let train = found(&source.clone().with_split("train"), folder.path());
        assert_eq!(train, ["dict/train/b.arrow", "dict/train/a.arrow"], "in the order of state.json");
        assert_eq!(names(folder.path(), "dict/dev"), ["dict/dev/a.arrow"]);
        let message = find(&source).unwrap_err().to_string();
        assert!(message.contains("holds several splits (\"train\", \"dev\"); name one of them, "), "{message}");
        assert!(message.ends_with("dict/train\""), "{message}");
        let message = find(&source.with_split("test")).unwrap_err().to_string();
        assert!(message.ends_with("dict: no split \"test\"; found: \"train\", \"dev\""), "{message}");
        for (state, expected) in [
            ("{\"_data_files\": [{\"filename\": \"c.arrow\"}]}", "c.arrow, which is not there"),
            (
                "{\"_data_files\": [{\"filename\": \"a.arrow\"}], \"_indices_data_files\": [{\"filename\": \"i.arrow\"}]}",
                "flatten_indices()",
            ),
        ] {
            write("dict/train/state.json", state);
            let message = find(&Source::new(folder.path().join("dict/train"))).unwrap_err().to_string();
            assert!(message.contains(expected), "{message}");
        }
    }

    #[test]
    fn errors_say_what_to_write_instead() {
        let folder = folder(&[
            "mixed/a.csv",
            "mixed/b.jsonl",
            "splits/q-test.csv",
            "splits/q-train.csv",
            "folders/train/p.csv",
            "folders/test/p.csv",
        ]);
        let message = |spec: &str| find(&Source::new(folder.path().join(spec))).unwrap_err().to_string();
        let mixed = message("mixed");
        assert!(mixed.contains("several formats (a.csv and b.jsonl)") && mixed.contains("mixed/*.csv\""), "{mixed}");
        let splits = message("splits");
        assert!(splits.contains("several splits (\"test\", \"train\")"), "{splits}");
        assert!(splits.contains("splits/*train*.csv\""), "{splits}");
        let folders = message("folders");
        assert!(folders.contains("several splits (\"test\", \"train\")"), "{folders}");
        assert!(folders.contains("folders/train\""), "{folders}");
        for spec in ["absent.csv", "absent-*.csv", "absent/*.csv", "mixed/a.csv/*.csv"] {
            let message = message(spec);
            assert!(message.contains(spec) && message.contains("no data file matches"), "{message}");
        }
        let empty = folder.path().join("empty");
        fs::create_dir(&empty).unwrap();
        assert!(message("empty").contains("no data file matches"));
        let absent = Source::new(folder.path().join("splits")).with_split("dev");
        let message = find(&absent).unwrap_err().to_string();
        assert!(message.ends_with("splits: no split \"dev\"; found: \"test\", \"train\""), "{message}");
    }
}
