//! The files of each split, by the patterns of a README.md or by the names of folders and files (`datasets.data_files`).

use crate::pattern::Pattern;

/// A split of a data set, and its files in their order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Split {
    pub name: String,
    pub files: Vec<String>,
}

/// The words for a split in names of files and folders (`SPLIT_KEYWORDS`).
const KEYWORDS: [(&str, &[&str]); 3] = [
    ("train", &["train", "training"]),
    ("validation", &["validation", "valid", "dev", "val"]),
    ("test", &["test", "testing", "eval", "evaluation"]),
];
/// The characters around such a word (`NON_WORDS_CHARS`).
const SEPARATOR: &str = "[-._ 0-9]";

/// The splits by the patterns of a README.md, relative to a folder. A split without a file is left out.
pub(super) fn by_patterns(base: &str, splits: Vec<(String, Vec<String>)>, files: &[&str]) -> Vec<Split> {
    let splits = splits.into_iter().map(|(name, patterns)| Split { files: matching(base, &patterns, files), name });
    splits.filter(|split| !split.files.is_empty()).collect()
}

/// The splits of the files below a folder by their names. The first of these that exists counts: `data/SPLIT-00000-of-00001.…`, folders of a
/// split's name, files of a split's name, all files as `train`.
pub(super) fn by_name(base: &str, files: &[&str]) -> Vec<Split> {
    let sharded =
        matching(base, &["data/*-[0-9][0-9][0-9][0-9][0-9]-of-[0-9][0-9][0-9][0-9][0-9]*.*".to_owned()], files);
    if !sharded.is_empty() {
        return by_prefix(sharded);
    }
    for patterns in [folders_of, files_of] {
        let splits =
            KEYWORDS.map(|(split, words)| (split.to_owned(), words.iter().flat_map(|word| patterns(word)).collect()));
        let splits = by_patterns(base, splits.into(), files);
        if !splits.is_empty() {
            return splits;
        }
    }
    by_patterns(base, vec![("train".to_owned(), vec!["**".to_owned()])], files)
}

/// Patterns of files below folders of a split's name (`KEYWORDS_IN_DIR_NAME_BASE_PATTERNS`).
fn folders_of(word: &str) -> Vec<String> {
    let starts = ["**/".to_owned(), format!("**/*{SEPARATOR}")];
    starts.iter().flat_map(|start| ["", &format!("{SEPARATOR}*")].map(|end| format!("{start}{word}{end}/**"))).collect()
}

/// Patterns of files of a split's name (`KEYWORDS_IN_FILENAME_BASE_PATTERNS`).
fn files_of(word: &str) -> Vec<String> {
    vec![format!("**/{word}{SEPARATOR}*"), format!("**/*{SEPARATOR}{word}{SEPARATOR}*")]
}

/// The splits of a configuration on the branch of converted files, without those that are converted in part.
pub(super) fn converted(config: &str, files: &[&str]) -> Vec<Split> {
    let mut splits: Vec<Split> = Vec::new();
    for file in files {
        let [folder, name, _] = file.split('/').collect::<Vec<_>>()[..] else { continue };
        if folder != config || name.starts_with("partial-") {
            continue;
        }
        match splits.iter_mut().find(|split| split.name == name) {
            Some(split) => split.files.push((*file).to_owned()),
            None => splits.push(Split { name: name.to_owned(), files: vec![(*file).to_owned()] }),
        }
    }
    splits
}

/// The requested split, or else the only one, or `train`.
pub(super) fn choose(splits: Vec<Split>, wanted: Option<&str>) -> Result<Split, String> {
    let names = splits.iter().map(|split| format!("{:?}", split.name)).collect::<Vec<_>>().join(", ");
    let alone = splits.len() == 1;
    let is_meant = |split: &Split| match wanted {
        Some(wanted) => split.name == wanted,
        None => alone || split.name == "train",
    };
    splits.into_iter().find(is_meant).ok_or_else(|| match wanted {
        _ if names.is_empty() => "no file of it is whole".to_owned(),
        Some(wanted) => format!("there is no split {wanted:?}; there are: {names}"),
        None => format!("there is no split \"train\"; name one of: {names}"),
    })
}

/// The name of a shard that is not among the files, by `…-00000-of-00002.…`.
pub(super) fn missing_shard(files: &[String]) -> Option<String> {
    files.iter().find_map(|file| {
        let (before, number, count, after) = shard(file)?;
        let name = |number: usize| format!("{before}-{number:05}-of-{count:05}{after}");
        let count: usize = count.parse().ok().filter(|count| *count <= 100_000 && number.len() == 5)?;
        (0..count).map(name).find(|name| !files.contains(name))
    })
}

/// `("data/train", "00000", "00002", ".parquet")`.
fn shard(file: &str) -> Option<(&str, &str, &str, &str)> {
    let at = file.rfind("-of-")?;
    let (before, number) = file[..at].rsplit_once('-')?;
    let rest = &file[at + 4..];
    let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    let is_number = |text: &str| text.len() == 5 && text.chars().all(|c| c.is_ascii_digit());
    (is_number(number) && is_number(&rest[..end])).then(|| (before, number, &rest[..end], &rest[end..]))
}

/// Splits of shards, by the prefix of their names; train, validation and test come first.
fn by_prefix(files: Vec<String>) -> Vec<Split> {
    let mut splits: Vec<Split> = Vec::new();
    for file in files {
        let name = shard(&file).map_or("", |(before, ..)| before).rsplit('/').next().unwrap_or_default().to_owned();
        match splits.iter_mut().find(|split| split.name == name) {
            Some(split) => split.files.push(file),
            None => splits.push(Split { name, files: vec![file] }),
        }
    }
    let place = |split: &Split| KEYWORDS.iter().position(|(known, _)| *known == split.name).unwrap_or(KEYWORDS.len());
    splits.sort_by_key(|split| (place(split), split.name.clone()));
    splits
}

/// The files below a folder that match one of the patterns, each once, in the order of the patterns and then of the names.
fn matching(base: &str, patterns: &[String], files: &[&str]) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for pattern in patterns {
        let glob = Pattern::glob(pattern);
        for file in files {
            let below = if base.is_empty() {
                Some(*file)
            } else {
                file.strip_prefix(base).and_then(|path| path.strip_prefix('/'))
            };
            let fits = below.is_some_and(|path| glob.matches(path) && !is_hidden(path, pattern));
            if fits && !found.iter().any(|known| known == file) {
                found.push((*file).to_owned());
            }
        }
    }
    found
}

/// True if a path has more parts with a leading `.` or `__` than its pattern: such parts match only when the pattern has them.
fn is_hidden(path: &str, pattern: &str) -> bool {
    let parts =
        |text: &str, start: &str| text.split('/').filter(|part| part.starts_with(start) && *part != ".").count();
    parts(path, ".") != parts(pattern, ".") || parts(path, "__") != parts(pattern, "__")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn splits(found: &[Split]) -> Vec<(&str, Vec<&str>)> {
        found.iter().map(|split| (split.name.as_str(), split.files.iter().map(String::as_str).collect())).collect()
    }

    // >>> from datasets.data_files import get_data_patterns, DataFilesDict
    // >>> {k: [...] for k, v in DataFilesDict.from_patterns(get_data_patterns(folder), folder).items()}
    #[test]
    fn names_tell_splits() {
        for (files, expected) in [
            (
                &[
                    "data/test-00000-of-00001.parquet",
                    "data/train-00000-of-00002.parquet",
                    "data/train-00001-of-00002-ab12.parquet",
                    "x.parquet",
                ][..],
                &[
                    ("train", vec!["data/train-00000-of-00002.parquet", "data/train-00001-of-00002-ab12.parquet"]),
                    ("test", vec!["data/test-00000-of-00001.parquet"]),
                ][..],
            ),
            (
                &["data/dev/a.parquet", "data/training/b.parquet", "data/training/c/d.parquet", "other.parquet"],
                &[
                    ("train", vec!["data/training/b.parquet", "data/training/c/d.parquet"]),
                    ("validation", vec!["data/dev/a.parquet"]),
                ],
            ),
            (
                &["my-train.parquet", "my_eval_0.parquet", "trainer.parquet"],
                &[("train", vec!["my-train.parquet"]), ("test", vec!["my_eval_0.parquet"])],
            ),
            (
                &["sub/my.validation.1.parquet", "testing.parquet"],
                &[("validation", vec!["sub/my.validation.1.parquet"]), ("test", vec!["testing.parquet"])],
            ),
            (&["train2/b.parquet", "v1.train/a.parquet"], &[("train", vec!["train2/b.parquet", "v1.train/a.parquet"])]),
            (
                &["a.parquet", "b/c.parquet", ".hidden.parquet", "__x/d.parquet"],
                &[("train", vec!["a.parquet", "b/c.parquet"])],
            ),
            (&["data/corpus-00000-of-00001.parquet"], &[("corpus", vec!["data/corpus-00000-of-00001.parquet"])]),
            (&[], &[]),
        ] {
            assert_eq!(splits(&by_name("", files)), expected, "{files:?}");
        }
        assert_eq!(splits(&by_name("en", &["en/train.csv", "de/train.csv"])), [("train", vec!["en/train.csv"])]);
    }

    #[test]
    fn patterns_tell_splits() {
        let patterns = |split: &str, patterns: &[&str]| {
            (split.to_owned(), patterns.iter().map(|text| (*text).to_owned()).collect())
        };
        let files = ["a/train-0.parquet", "a/train-1.parquet", "b/x.parquet"];
        let found =
            by_patterns("", vec![patterns("train", &["b/*", "a/train-*", "**"]), patterns("dev", &["c/*"])], &files);
        assert_eq!(splits(&found), [("train", vec!["b/x.parquet", "a/train-0.parquet", "a/train-1.parquet"])]);
        let found = by_patterns("a", vec![patterns("test", &["train-1*"])], &files);
        assert_eq!(splits(&found), [("test", vec!["a/train-1.parquet"])]);
    }

    #[test]
    fn the_hubs_own_copy_has_a_folder_for_each_split() {
        let files = [
            "default/test/0000.parquet",
            "default/train/0000.parquet",
            "default/train/0001.parquet",
            "other/train/0000.parquet",
        ];
        let found = converted("default", &files);
        assert_eq!(splits(&found), [("test", vec![files[0]]), ("train", vec![files[1], files[2]])]);
        assert!(converted("default", &["default/partial-train/0000.parquet"]).is_empty());
    }

    #[test]
    fn a_split_is_chosen() {
        let split = |name: &str| Split { name: name.to_owned(), files: vec![name.to_owned()] };
        let name = |names: &[&str], wanted| {
            choose(names.iter().map(|name| split(name)).collect(), wanted).map(|split| split.name)
        };
        assert_eq!(name(&["corpus"], None).unwrap(), "corpus");
        assert_eq!(name(&["test", "train"], None).unwrap(), "train");
        assert_eq!(name(&["test", "train"], Some("test")).unwrap(), "test");
        assert_eq!(
            name(&["test", "dev"], None).unwrap_err(),
            "there is no split \"train\"; name one of: \"test\", \"dev\""
        );
        assert_eq!(
            name(&["test", "dev"], Some("tset")).unwrap_err(),
            "there is no split \"tset\"; there are: \"test\", \"dev\""
        );
    }

    #[test]
    fn a_shard_that_is_missing_is_named() {
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let found = missing_shard(&owned(&["data/train-00000-of-00003.parquet", "data/train-00002-of-00003.parquet"]));
        assert_eq!(found.as_deref(), Some("data/train-00001-of-00003.parquet"));
        assert_eq!(
            missing_shard(&owned(&["data/train-00000-of-00001.parquet", "b.parquet", "a-1-of-2.parquet"])),
            None
        );
    }
}
