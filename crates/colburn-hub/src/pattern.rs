//! Patterns of file names, in the two dialects that the hub's tools have: the glob of `datasets`, in which `*` stays within a folder and `**`
//! does not, and Python's fnmatch, in which `*` stands for anything.

/// Whether a path matches a glob: `*` and `?` stay within a folder, `[…]` is one of some characters, `**` any number of folders, or,
/// at the end, all files below one.
pub(crate) fn glob(pattern: &str, path: &str) -> bool {
    let pattern: Vec<&str> = pattern.trim_start_matches("./").split('/').collect();
    parts(&pattern, &path.split('/').collect::<Vec<_>>())
}

fn parts(pattern: &[&str], path: &[&str]) -> bool {
    match (pattern, path) {
        ([], []) => true,
        (["**"], _) => !path.is_empty(),
        (["**", rest @ ..], _) => (0..path.len()).any(|skipped| parts(rest, &path[skipped..])),
        ([first, rest @ ..], [name, below @ ..]) => fnmatch(first, name) && parts(rest, below),
        _ => false,
    }
}

/// Python's `fnmatch.fnmatchcase`.
pub(crate) fn fnmatch(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
    let (mut p, mut t) = (0, 0);
    // Where to go on if it does not fit: after the last star, with one character more for it.
    let mut retry = None;
    while t < text.len() {
        let step = match pattern.get(p) {
            Some('*') => {
                retry = Some((p + 1, t + 1));
                p += 1;
                continue;
            }
            Some(_) => one(&pattern[p..], text[t]),
            None => None,
        };
        match (step, retry) {
            (Some(length), _) => (p, t) = (p + length, t + 1),
            (None, Some((after, from))) => {
                (p, t) = (after, from);
                retry = Some((after, from + 1));
            }
            (None, None) => return false,
        }
    }
    pattern[p..].iter().all(|c| *c == '*')
}

/// How long the pattern's first element is, if it stands for the character.
fn one(pattern: &[char], c: char) -> Option<usize> {
    match pattern[0] {
        '?' => Some(1),
        '[' => {
            let negated = pattern.get(1) == Some(&'!');
            let start = 1 + usize::from(negated);
            // A `]` at the beginning is itself.
            let Some(length) = pattern.iter().skip(start + 1).position(|c| *c == ']') else {
                return (c == '[').then_some(1);
            };
            let end = start + 1 + length;
            (class(&pattern[start..end], c) != negated).then_some(end + 1)
        }
        other => (other == c).then_some(1),
    }
}

fn class(members: &[char], c: char) -> bool {
    match members {
        [low, '-', high, rest @ ..] => (*low..=*high).contains(&c) || class(rest, c),
        [first, rest @ ..] => *first == c || class(rest, c),
        [] => false,
    }
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
        ] {
            assert_eq!(fnmatch(pattern, text), expected, "{pattern} {text}");
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
        ] {
            assert_eq!(glob(pattern, path), expected, "{pattern} {path}");
        }
    }
}
