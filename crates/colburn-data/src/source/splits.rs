//! Splits of a data set, told by the names of files and folders. Test rows among the training rows would go unnoticed, so several
//! splits in one place are an error that says how to choose.

use std::path::{Path, PathBuf};

use crate::error::{Error, Result, quoted};

const SPLITS: [&str; 7] = ["train", "test", "validation", "valid", "val", "dev", "eval"];

/// The words `train`, `test`, … in the names of files and of the folders between them and `base`; the last one counts:
/// "train" for `train-00000-of-00002.parquet` and `train/part-0.csv`.
pub(super) fn split_of(base: &Path, path: &Path) -> Option<String> {
    let below = path.strip_prefix(base).ok().filter(|below| !below.as_os_str().is_empty());
    let below = below.unwrap_or_else(|| Path::new(path.file_name().unwrap_or_default()));
    let names = below.components().map(|part| part.as_os_str().to_string_lossy().to_lowercase());
    // A folder `kind=test` is a value of a column.
    let words =
        |name: String| name.split(|c: char| !c.is_alphanumeric()).find(|word| SPLITS.contains(word)).map(str::to_owned);
    names.filter(|name| !name.contains('=')).collect::<Vec<_>>().into_iter().rev().find_map(words)
}

/// The files of one split: of the one asked for, or of the only one.
pub(super) fn choose(spec: &Path, base: &Path, split: Option<&str>, files: Vec<PathBuf>) -> Result<Vec<PathBuf>> {
    let found: Vec<Option<String>> = files.iter().map(|path| split_of(base, path)).collect();
    let mut splits: Vec<&str> = found.iter().flatten().map(String::as_str).collect();
    splits.sort_unstable();
    splits.dedup();
    match split {
        None if splits.len() > 1 => {
            let of_last = files.iter().zip(&found).find(|(_, split)| split.as_deref() == splits.last().copied());
            Err(several(spec, &splits, &of_last.map_or(PathBuf::new(), |(path, _)| example(spec, path))))
        }
        None => Ok(files),
        Some(split) => {
            let wanted = split.to_lowercase();
            if !splits.contains(&wanted.as_str()) {
                return Err(absent(spec, split, &splits));
            }
            let of_split = files.into_iter().zip(found).filter(|(_, split)| split.as_deref() == Some(wanted.as_str()));
            Ok(of_split.map(|(path, _)| path).collect())
        }
    }
}

/// The error of several splits where one is meant.
pub(super) fn several(spec: &Path, splits: &[&str], example: &Path) -> Error {
    Error::Ambiguous {
        spec: spec.display().to_string(),
        found: format!("several splits ({})", quoted(splits)),
        example: example.display().to_string(),
    }
}

/// The error of a split that is not there.
pub(super) fn absent(spec: &Path, split: &str, splits: &[&str]) -> Error {
    let found = if splits.is_empty() { "no names of splits".to_owned() } else { quoted(splits) };
    Error::Split { spec: spec.display().to_string(), split: split.to_owned(), found }
}

/// The folder of the split, or a pattern of its files.
fn example(spec: &Path, path: &Path) -> PathBuf {
    let parent = path.parent().unwrap_or(Path::new(""));
    let word = |path: &Path| split_of(parent, path);
    match word(path) {
        Some(split) => parent.join(format!("*{split}*{}", ending(path))),
        None if parent != spec => parent.to_owned(),
        None => path.to_owned(),
    }
}

fn ending(path: &Path) -> String {
    path.extension().map_or(String::new(), |ending| format!(".{}", ending.to_string_lossy()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_the_split() {
        for (path, expected) in [
            ("a/train-00000-of-00002.parquet", Some("train")),
            ("a/triplets-Train.parquet", Some("train")),
            ("a/test/part-0.parquet", Some("test")),
            ("a/train/test.csv", Some("test")),
            ("a/kind=test/part-0.csv", None),
            ("a/trainer.csv", None),
            ("a/part.csv", None),
        ] {
            assert_eq!(split_of(Path::new("a"), Path::new(path)).as_deref(), expected, "{path}");
        }
        assert_eq!(split_of(Path::new("train"), Path::new("train/a.csv")), None, "the folder was asked for");
    }
}
