//! Patterns of file names in the two dialects of the hub's tools: the glob of `datasets` and Python's fnmatch.
//!
//! The crate glob matches both, because it works on characters; `?` of globset is one byte, so it does not match `ü`. Where the dialects differ
//! from the crate, the pattern is rewritten first: a `[` without `]` is a character, and `**` is `*` in fnmatch and within a name.

use glob::MatchOptions;

/// A compiled pattern.
#[derive(Clone, Debug)]
pub(crate) struct Pattern {
    pattern: glob::Pattern,
    options: MatchOptions,
}

impl Pattern {
    /// A glob of `datasets`: `*` and `?` stay within a folder, `[…]` is one of some characters, `**` is any number of folders or, at the end,
    /// all files below one.
    pub fn glob(text: &str) -> Self {
        let parts = text.trim_start_matches("./").split('/');
        let parts: Vec<String> =
            parts.map(|part| if part == "**" { part.to_owned() } else { rewritten(part) }).collect();
        Self::new(&parts.join("/"), true)
    }

    /// A pattern of Python's `fnmatch.fnmatchcase`, in which `*` stands for any characters, `/` among them.
    pub fn fnmatch(text: &str) -> Self {
        Self::new(&rewritten(text), false)
    }

    fn new(text: &str, within_folders: bool) -> Self {
        let options = MatchOptions {
            case_sensitive: true,
            require_literal_separator: within_folders,
            require_literal_leading_dot: false,
        };
        // The crate refuses only what is rewritten here.
        let pattern = glob::Pattern::new(text).unwrap_or_default();
        Self { pattern, options }
    }

    /// True if the pattern matches the whole text.
    pub fn matches(&self, text: &str) -> bool {
        self.pattern.matches_with(text, self.options)
    }
}

/// The pattern without `**`, and with every `[` that is not closed as a class of itself.
fn rewritten(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let (mut written, mut at) = (String::new(), 0);
    while let Some(&c) = chars.get(at) {
        match (c, class_end(&chars[at..])) {
            ('*', _) if written.ends_with('*') => {}
            ('[', Some(length)) => {
                written.extend(&chars[at..at + length]);
                at += length;
                continue;
            }
            ('[', None) => written.push_str("[[]"),
            _ => written.push(c),
        }
        at += 1;
    }
    written
}

/// The length of the class at the beginning of a pattern. A `]` at the start of the class, or after `!`, is one of its characters.
fn class_end(pattern: &[char]) -> Option<usize> {
    let first = 1 + usize::from(pattern.get(1) == Some(&'!'));
    let length = pattern.iter().skip(first + 1).position(|c| *c == ']')?;
    (pattern[0] == '[').then_some(first + 1 + length + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    // >>> fnmatch.fnmatchcase(text, pattern)
    #[test]
    fn fnmatch_is_pythons() {
        for (pattern, text, expected) in [
            ("*.json", "config.json", true),
            ("*.json", "1_Dense/config.json", true),
            ("checkpoint-*/**", "checkpoint-5/model.safetensors", true),
            ("checkpoint-*/**", "checkpoint-5", false),
            ("_*", "_last", true),
            ("_*", "a_last", false),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("train[-._ 0-9]*", "train-00000-of-00001.parquet", true),
            ("train[-._ 0-9]*", "train.parquet", true),
            ("train[-._ 0-9]*", "training.parquet", false),
            ("[!a]b", "cb", true),
            ("[!a]b", "ab", false),
            ("[]]", "]", true),
            ("[a", "[a", true),
            ("*a*b*c", "xaxbxbxc", true),
            ("*a*b*c", "xaxcxb", false),
            ("", "", true),
            ("*", "", true),
            ("ü*", "über", true),
            ("?ber[ßü]", "überß", true),
            ("a**b", "a/x/b", true),
            ("**", "a/b", true),
            ("[]", "[]", true),
            ("[!]", "[!]", true),
            ("[!]]", "a", true),
            ("[!]]", "]", false),
            ("[a-c]x[]-]", "bx-", true),
            ("{a,b}", "a", false),
            ("\\*", "\\a", true),
            ("[*]", "*", true),
            ("[*]", "a", false),
        ] {
            assert_eq!(Pattern::fnmatch(pattern).matches(text), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn a_glob_knows_folders() {
        for (pattern, path, expected) in [
            ("*.parquet", "a.parquet", true),
            ("*.parquet", "data/a.parquet", false),
            ("data/*", "data/a.parquet", true),
            ("data/*", "data/b/a.parquet", false),
            ("**/*.parquet", "a.parquet", true),
            ("**/*.parquet", "data/b/a.parquet", true),
            ("**", "data/b/a.parquet", true),
            ("data/**", "data/b/a.parquet", true),
            ("data/**", "data", false),
            ("**/train/**", "a/train/0.parquet", true),
            ("**/train/**", "train/0.parquet", true),
            ("**/train/**", "a/train.parquet", false),
            ("./data/*", "data/a.csv", true),
            ("triplet/train-*", "triplet/train-00000-of-00002.parquet", true),
            ("data/train**", "data/train-0.csv", true),
            ("data/train**", "data/train/0.csv", false),
            ("data/?.csv", "data/ü.csv", true),
            ("data/[a", "data/[a", true),
            ("**/.x", "a/.x", true),
        ] {
            assert_eq!(Pattern::glob(pattern).matches(path), expected, "{pattern} {path}");
        }
    }
}
