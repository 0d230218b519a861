//! The message of an error in one line, as every message of colburn is.

use std::fmt::Display;

/// The message with each run of white space as one blank.
pub(crate) fn one_line(error: impl Display) -> String {
    error.to_string().split_whitespace().collect::<Vec<_>>().join(" ")
}
