//! Folders of data files: what `Dataset.save_to_disk` and `DatasetDict.save_to_disk` of Hugging Face's `datasets` write, hive folders
//! (`lang=en/part-0.parquet`), and all other ones.

use std::fs;
use std::path::{Component, Path, PathBuf};

use serde::Deserialize;

use crate::error::{Error, Result};
use crate::source::splits;

/// A column that the names of folders make, with its value: none for the folder of rows without one.
pub(crate) type FolderColumn = (String, Option<String>);

/// The value by which hive names the folder of rows without one.
const HIVE_NULL: &str = "__HIVE_DEFAULT_PARTITION__";
/// Files beside the data that have a name like data.
const NO_DATA: [&str; 7] = [
    "dataset_info.json",
    "dataset_infos.json",
    "dataset_dict.json",
    "state.json",
    "readme.txt",
    "license.txt",
    "requirements.txt",
];

/// `dataset_dict.json`.
#[derive(Deserialize)]
struct Splits {
    splits: Vec<String>,
}

/// `state.json`.
#[derive(Deserialize)]
struct State {
    #[serde(rename = "_data_files")]
    files: Vec<StateFile>,
    #[serde(rename = "_indices_data_files", default)]
    indices: Option<Vec<StateFile>>,
}

#[derive(Deserialize)]
struct StateFile {
    filename: String,
}

/// The folder of a split, where this one is a saved `DatasetDict`.
pub(super) fn of_split(folder: &Path, split: Option<&str>) -> Result<Option<PathBuf>> {
    let path = folder.join("dataset_dict.json");
    if !path.is_file() {
        return Ok(None);
    }
    let Splits { splits: names } = parse(&path)?;
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    match (split, &names[..]) {
        (None, [only]) => Ok(Some(folder.join(only))),
        (None, several) => {
            let example = several.iter().find(|name| **name == "train").or(several.last());
            Err(splits::several(folder, several, &folder.join(example.unwrap_or(&"train"))))
        }
        (Some(split), names) if names.contains(&split) => Ok(Some(folder.join(split))),
        (Some(split), names) => Err(splits::absent(folder, split, names)),
    }
}

/// The files of a saved `Dataset`, in their order.
pub(super) fn saved(folder: &Path) -> Result<Option<Vec<PathBuf>>> {
    let path = folder.join("state.json");
    if !path.is_file() {
        return Ok(None);
    }
    // Other programs write a state.json too.
    let Ok(state) = parse::<State>(&path) else { return Ok(None) };
    if state.indices.is_some_and(|indices| !indices.is_empty()) {
        let reason = "the rows are picked by another file; save it again after `dataset.flatten_indices()`".to_owned();
        return Err(Error::Schema { path, reason });
    }
    let files: Vec<PathBuf> = state.files.iter().map(|file| folder.join(&file.filename)).collect();
    if let Some(missing) = files.iter().find(|file| !file.is_file()) {
        let reason = format!("names the file {}, which is not there; copy the whole folder again", missing.display());
        return Err(Error::Schema { path, reason });
    }
    Ok(Some(files))
}

fn parse<T: for<'de> Deserialize<'de>>(path: &Path) -> Result<T> {
    let text = fs::read(path).map_err(|source| Error::Io { path: path.to_owned(), source })?;
    let wrong = |error: serde_json::Error| Error::Schema {
        path: path.to_owned(),
        reason: format!("not as expected ({error})"),
    };
    serde_json::from_slice(&text).map_err(wrong)
}

/// All files of a folder and of the folders in it, sorted. Hidden ones are left out; a link to a folder that holds it is followed once.
pub(super) fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let (mut found, mut waiting, mut seen) = (Vec::new(), vec![folder.to_owned()], Vec::new());
    while let Some(folder) = waiting.pop() {
        let io = |source| Error::Io { path: folder.clone(), source };
        let real = fs::canonicalize(&folder).map_err(io)?;
        if seen.contains(&real) {
            continue;
        }
        seen.push(real);
        for entry in fs::read_dir(&folder).map_err(io)? {
            let path = entry.map_err(io)?.path();
            if name(&path).starts_with('.') {
                continue;
            }
            if path.is_dir() {
                waiting.push(path);
            } else if path.is_file() {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

/// True if a file beside the data has such a name.
pub(super) fn is_no_data(path: &Path) -> bool {
    NO_DATA.contains(&name(path).to_lowercase().as_str())
}

/// The columns that the folders between `base` and the file make.
pub(super) fn columns(base: &Path, path: &Path) -> Vec<FolderColumn> {
    let folders = path.strip_prefix(base).ok().and_then(Path::parent).into_iter().flat_map(Path::components);
    let pair = |part: Component| {
        let name = part.as_os_str().to_str()?;
        let (key, value) = name.split_once('=').filter(|(key, _)| !key.is_empty())?;
        Some((decoded(key), (value != HIVE_NULL).then(|| decoded(value))))
    };
    folders.filter_map(pair).collect()
}

/// A name in which hive wrote characters as `%2F`.
fn decoded(name: &str) -> String {
    let mut bytes = Vec::with_capacity(name.len());
    let mut rest = name.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let code = (first == b'%').then(|| after.get(..2)).flatten().and_then(|code| std::str::from_utf8(code).ok());
        match code.and_then(|code| u8::from_str_radix(code, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &after[2..];
            }
            None => {
                bytes.push(first);
                rest = after;
            }
        }
    }
    String::from_utf8(bytes).unwrap_or_else(|_| name.to_owned())
}

fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_make_columns() {
        // import pandas as pd
        // pd.DataFrame({"lang": ["a/b c"], "x": [1]}).to_parquet("out", partition_cols=["lang"])   # out/lang=a%2Fb%20c/….parquet
        for (path, expected) in [
            ("d/lang=en/part-0.parquet", vec![("lang", Some("en"))]),
            ("d/lang=a%2Fb%20c/x/day=1/p.csv", vec![("lang", Some("a/b c")), ("day", Some("1"))]),
            ("d/lang=__HIVE_DEFAULT_PARTITION__/p.csv", vec![("lang", None)]),
            ("d/x=50%/p.csv", vec![("x", Some("50%"))]),
            ("d/x/y=1.csv", vec![]),
            ("d/=1/p.csv", vec![]),
        ] {
            let found = columns(Path::new("d"), Path::new(path));
            let found: Vec<_> = found.iter().map(|(key, value)| (key.as_str(), value.as_deref())).collect();
            assert_eq!(found, expected, "{path}");
        }
    }
}
