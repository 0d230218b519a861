//! The form of data files where they do not say it themselves: for the keys of a run, and for the options of all commands that read rows or
//! texts.

use std::path::Path;

use clap::ValueEnum;
use colburn::data::{Format, Source};
use serde::Deserialize;

/// The form of the files of a source.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FormatConfig {
    pub format: Option<FormatName>,
    pub delimiter: Option<char>,
    pub column_names: Option<Vec<String>>,
    pub split: Option<String>,
}

impl FormatConfig {
    /// A path, a pattern, a folder or a name on the hub, whose files have this form.
    pub fn source(self, spec: impl AsRef<Path>) -> Source {
        let mut source = Source::new(spec);
        if let Some(format) = self.format {
            source = source.with_format(format.into());
        }
        if let Some(delimiter) = self.delimiter {
            source = source.with_delimiter(delimiter);
        }
        if let Some(names) = self.column_names {
            source = source.with_column_names(names);
        }
        match self.split {
            Some(split) => source.with_split(&split),
            None => source,
        }
    }
}

/// The formats by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum FormatName {
    Parquet,
    /// An object a line, or an array of objects.
    #[value(alias = "jsonl", alias = "ndjson")]
    Json,
    /// Cells with any delimiter between them.
    #[value(alias = "tsv")]
    Csv,
    Arrow,
    /// A text a line.
    #[value(alias = "txt")]
    Text,
}

impl From<FormatName> for Format {
    fn from(name: FormatName) -> Self {
        match name {
            FormatName::Parquet => Self::Parquet,
            FormatName::Json => Self::Json,
            FormatName::Csv => Self::Csv,
            FormatName::Arrow => Self::Arrow,
            FormatName::Text => Self::Text,
        }
    }
}

/// The delimiter that an option names: itself, or `tab`.
pub fn delimiter(text: &str) -> Result<char, String> {
    let mut characters = text.chars();
    match (text, characters.next(), characters.next()) {
        ("tab" | "\\t", ..) => Ok('\t'),
        (_, Some(one), None) if one.is_ascii() && !matches!(one, '"' | '\n' | '\r') => Ok(one),
        _ => Err("one ASCII character other than a quote or a line break is expected, or `tab`".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::delimiter;

    #[test]
    fn delimiters_are_single_characters() {
        for (text, expected) in [(";", ';'), ("tab", '\t'), ("\\t", '\t'), ("\t", '\t'), ("|", '|'), (" ", ' ')] {
            assert_eq!(delimiter(text), Ok(expected));
        }
        for text in ["", ";;", "\"", "\n", "é"] {
            assert!(delimiter(text).unwrap_err().contains("one ASCII character"), "{text:?}");
        }
    }
}
