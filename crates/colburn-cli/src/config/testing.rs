//! Sections for tests: a text without headers is one section.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::run_text::RunText;
use super::section::Section;

/// A run that is this text.
pub fn run_text(text: &str) -> RunText<'_> {
    RunText { file: "RUN.toml", text, assignments: &[], sections: super::SECTIONS }
}

/// The text of a run as one section.
pub fn section<'a>(run_text: &'a RunText<'a>, name: &str) -> Section<'a> {
    let table = DeTable::parse(run_text.text).unwrap();
    Section::new(run_text, name, Some(Spanned::new(0..0, DeValue::Table(table.into_inner())))).unwrap()
}
