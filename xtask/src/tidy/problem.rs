//! A broken rule, as a check reports it.

/// The place of a broken rule, and what would be right.
#[derive(Debug, PartialEq)]
pub struct Problem {
    /// The file, and the line if there is one.
    pub place: String,
    pub message: String,
}

impl Problem {
    pub fn in_file(path: &str, message: impl Into<String>) -> Self {
        Self { place: path.to_owned(), message: message.into() }
    }

    /// `line` counts from 0; the place counts from 1.
    pub fn at_line(path: &str, line: usize, message: impl Into<String>) -> Self {
        Self { place: format!("{path}:{}", line + 1), message: message.into() }
    }
}
