//! The options of a command that reads rows: how they are read where the files do not tell.

use std::path::Path;

use clap::Args;
use colburn::data::Source;

use crate::file_format::{FormatConfig, FormatName, delimiter};

/// The options of a command that reads rows.
#[derive(Args, Clone, Debug, Default)]
pub struct SourceOptions {
    /// The format of all files [default: by their content, then by their names].
    #[arg(long, value_name = "FORMAT")]
    pub format: Option<FormatName>,
    /// The character between two cells of a CSV or TSV file: itself, or `tab` [default: by the first lines].
    #[arg(long, value_name = "CHAR", value_parser = delimiter)]
    pub delimiter: Option<char>,
    /// The names of the columns of a CSV or TSV file that has no header, e.g. --column-names id,text; of a text file, one name.
    #[arg(long, value_name = "NAME,…", value_delimiter = ',')]
    pub column_names: Option<Vec<String>>,
    /// The split to read where there are several: train, validation, test, …
    #[arg(long)]
    pub split: Option<String>,
}

impl SourceOptions {
    /// The rows of a path, a pattern, a folder or a name on the hub, read so.
    pub fn source(&self, spec: &Path) -> Source {
        FormatConfig {
            format: self.format,
            delimiter: self.delimiter,
            column_names: self.column_names.clone(),
            split: self.split.clone(),
        }
        .source(spec)
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use colburn::data::Format;

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
