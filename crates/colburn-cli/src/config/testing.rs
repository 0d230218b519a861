//! Sections for tests: a text without headers is one section.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::section::Section;
use super::source::Source;

/// A run that is this text.
pub fn source(text: &str) -> Source<'_> {
    Source { file: "RUN.toml", text, assignments: &[], sections: super::SECTIONS }
}

/// The text of a run as one section.
pub fn section<'a>(source: &'a Source<'a>, name: &str) -> Section<'a> {
    let table = DeTable::parse(source.text).unwrap();
    Section::new(source, name, Some(Spanned::new(0..0, DeValue::Table(table.into_inner())))).unwrap()
}
