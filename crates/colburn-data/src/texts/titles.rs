//! A title and its text as one text, as PyLate reads BEIR's collections.

use std::borrow::Cow;

/// Title and text with a blank between them, and no white space around them (`evaluation.load_beir` of PyLate).
///
/// ```
/// use colburn_data::join_title;
///
/// assert_eq!(join_title(Some("Bread"), "is baked "), "Bread is baked");
/// assert_eq!(join_title(None, " is baked"), "is baked");
/// ```
pub fn join_title<'a>(title: Option<&str>, text: &'a str) -> Cow<'a, str> {
    match title {
        Some(title) => Cow::Owned(strip(&format!("{title} {text}")).to_owned()),
        None => Cow::Borrowed(strip(text)),
    }
}

/// Python's `str.strip`, which also takes the separators U+001C to U+001F for white space.
///
/// ```
/// assert_eq!(colburn_data::strip("\u{1f} a text\u{a0}\n"), "a text");
/// ```
pub fn strip(text: &str) -> &str {
    text.trim_matches(|c: char| c.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&c))
}
