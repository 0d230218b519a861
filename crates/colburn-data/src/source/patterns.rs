//! Patterns of paths. A star and a question mark stay within the name of a file or folder; a folder `**` stands for any number of folders.

use std::path::{Component, Path, PathBuf};

use glob::{GlobError, MatchOptions, Pattern};

use crate::error::{Error, Result};

pub(super) fn has_wildcard(spec: &Path) -> bool {
    spec.to_string_lossy().contains(['*', '?'])
}

/// The files that match a pattern. A hidden file or folder matches only where the pattern has a dot.
pub(super) fn expand(pattern: &Path) -> Result<Vec<PathBuf>> {
    let Some(text) = pattern.to_str() else { return Ok(Vec::new()) };
    // With `require_literal_leading_dot` the crate drops hidden names even where the pattern has the dot.
    let options =
        MatchOptions { case_sensitive: true, require_literal_separator: true, require_literal_leading_dot: false };
    let Ok(paths) = glob::glob_with(&glob_of(text), options) else { return Ok(Vec::new()) };
    let dotted: Vec<Pattern> = text
        .split('/')
        .filter(|part| part.starts_with('.'))
        .filter_map(|part| Pattern::new(&glob_of(part)).ok())
        .collect();
    let is_meant = |path: &PathBuf| {
        path.components().all(|part| match part {
            Component::Normal(name) => {
                let name = name.to_string_lossy();
                !name.starts_with('.') || dotted.iter().any(|pattern| pattern.matches(&name))
            }
            _ => true,
        })
    };
    let io = |error: GlobError| Error::Io { path: error.path().to_owned(), source: error.into() };
    let paths: Vec<PathBuf> = paths.map(|path| path.map_err(io)).collect::<Result<_>>()?;
    let mut paths: Vec<PathBuf> = paths.into_iter().filter(|path| is_meant(path) && path.is_file()).collect();
    paths.sort();
    Ok(paths)
}

/// The folder in which a pattern begins: the names before the first wildcard.
pub(super) fn base(pattern: &Path) -> PathBuf {
    let fixed = pattern.components().take_while(|part| !has_wildcard(Path::new(part.as_os_str())));
    fixed.collect()
}

/// A pattern in the language of the crate glob, in which brackets mean something of their own, and `**` in a name is an error. (Not globset:
/// its `?` is a byte, not a character.)
fn glob_of(pattern: &str) -> String {
    let part = |part: &str| {
        let mut glob = String::new();
        for c in part.chars() {
            match c {
                '*' if glob.ends_with('*') => {}
                '[' | ']' => glob.extend(['[', c, ']']),
                _ => glob.push(c),
            }
        }
        glob
    };
    let parts: Vec<&str> = pattern.split('/').collect();
    let last = parts.len() - 1;
    let folders = |(at, text): (usize, &&str)| if *text == "**" && at < last { (*text).to_owned() } else { part(text) };
    parts.iter().enumerate().map(folders).collect::<Vec<_>>().join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

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
            ("**.csv", "a.csv", true),
            ("plain", "plain", true),
            ("plain", "plainer", false),
            ("a[1]-*", "a[1]-x", true),
            ("a[1]-*", "a1-x", false),
            ("{a}\\?", "{a}\\b", true),
            ("a/**/*.csv", "a/b/c/d.csv", true),
            ("a/**/*.csv", "a/d.csv", true),
            ("a/**/*.csv", "b/d.csv", false),
        ] {
            let pattern = glob_of(pattern);
            let options = MatchOptions { require_literal_separator: true, ..MatchOptions::new() };
            assert_eq!(Pattern::new(&pattern).unwrap().matches_with(name, options), expected, "{pattern} {name}");
        }
    }

    #[test]
    fn a_pattern_begins_in_its_last_fixed_folder() {
        for (pattern, expected) in [("a/b/*.csv", "a/b"), ("/a/**/b/*.csv", "/a"), ("*.csv", ""), ("a?/b", "")] {
            assert_eq!(base(Path::new(pattern)), Path::new(expected), "{pattern}");
        }
    }
}
