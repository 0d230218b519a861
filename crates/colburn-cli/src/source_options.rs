//! The options of a command that reads rows: how they are read where the files do not tell.

use std::path::Path;

use clap::{Args, ValueEnum};
use colburn::data::{Format, Source};

/// The options of a command that reads rows.
#[derive(Args, Clone, Debug, Default)]
pub struct SourceOptions {
    /// The format of all files [default: by their content, then by their names].
    #[arg(long, value_name = "FORMAT")]
    pub format: Option<FormatOption>,
    /// The character between two cells of a CSV or TSV file: itself, or `tab` [default: by the first lines].
    #[arg(long, value_name = "CHAR", value_parser = delimiter)]
    pub delimiter: Option<char>,
    /// The names of the columns of a CSV or TSV file that has no header, e.g. --column-names id,text; of a text file, one name.
    #[arg(long, value_name = "NAME,…", value_delimiter = ',')]
    pub column_names: Vec<String>,
    /// The split to read where there are several: train, validation, test, …
    #[arg(long)]
    pub split: Option<String>,
}

impl SourceOptions {
    /// The rows of a path, a pattern, a folder or a name on the hub, read so.
    pub fn source(&self, spec: &Path) -> Source {
        let mut source = Source::new(spec);
        if let Some(format) = self.format {
            source = source.with_format(format.into());
        }
        if let Some(delimiter) = self.delimiter {
            source = source.with_delimiter(delimiter);
        }
        if !self.column_names.is_empty() {
            source = source.with_column_names(self.column_names.clone());
        }
        match &self.split {
            Some(split) => source.with_split(split),
            None => source,
        }
    }
}

/// The format of data files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum FormatOption {
    Parquet,
    /// An object a line, or an array of objects.
    Json,
    /// Cells with any delimiter between them.
    Csv,
    Arrow,
    /// A text a line.
    Text,
}

impl From<FormatOption> for Format {
    fn from(format: FormatOption) -> Self {
        match format {
            FormatOption::Parquet => Self::Parquet,
            FormatOption::Json => Self::Json,
            FormatOption::Csv => Self::Csv,
            FormatOption::Arrow => Self::Arrow,
            FormatOption::Text => Self::Text,
        }
    }
}

fn delimiter(text: &str) -> Result<char, String> {
    let mut characters = text.chars();
    match (text, characters.next(), characters.next()) {
        ("tab" | "\\t", ..) => Ok('\t'),
        (_, Some(one), None) => Ok(one),
        _ => Err("one character is expected, or `tab`".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        options: SourceOptions,
    }

    #[test]
    fn options_are_those_of_the_source() {
        let plain = || Source::new("rows");
        let cases: [(&[&str], Source); 6] = [
            (&[], plain()),
            (&["--format", "json"], plain().with_format(Format::Json)),
            (&["--delimiter", "tab"], plain().with_delimiter('\t')),
            (&["--delimiter", ";"], plain().with_delimiter(';')),
            (&["--column-names", "id,text"], plain().with_column_names(vec!["id".to_owned(), "text".to_owned()])),
            (&["--split", "test"], plain().with_split("test")),
        ];
        for (arguments, expected) in cases {
            let line = Line::try_parse_from(["colburn"].iter().chain(arguments)).unwrap();
            assert_eq!(line.options.source(Path::new("rows")), expected, "{arguments:?}");
        }
        assert!(Line::try_parse_from(["colburn", "--delimiter", "ab"]).is_err());
        assert!(Line::try_parse_from(["colburn", "--format", "xml"]).is_err());
    }
}
