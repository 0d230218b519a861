//! Plain text: a line a row, in the one column `text`. An empty line is an empty text.

use crate::error::{Error, Place, Result};
use crate::read::input::Input;
use crate::read::lines::Lines;
use crate::read::rows::{Field, Rows};
use crate::source::Source;
use crate::table::ColumnKind;
use crate::table::value::Value;

const NAME: &str = "text";

/// The lines of a text file.
pub(super) struct TextRows {
    lines: Lines,
    fields: [Field; 1],
    text: String,
}

impl TextRows {
    pub(super) fn open(input: Input, source: &Source) -> Result<Self> {
        let name = match source.column_names.as_deref() {
            None => NAME,
            Some([name]) => name,
            Some(names) => {
                let reason = format!("{} column names; expected one for a text file", names.len());
                return Err(Error::Option { spec: source.spec.clone(), reason });
            }
        };
        let fields = [Field { name: name.to_owned(), kind: Some(ColumnKind::Text) }];
        Ok(Self { lines: Lines::new(input)?, fields, text: String::new() })
    }
}

impl Rows for TextRows {
    fn fields(&self) -> &[Field] {
        &self.fields
    }

    fn advance(&mut self) -> Result<bool> {
        let more = self.lines.advance()?;
        let text = std::str::from_utf8(self.lines.bytes()).map_err(|_| Error::Line {
            place: self.lines.place(),
            reason: "not UTF-8; expected text in UTF-8".to_owned(),
        })?;
        text.clone_into(&mut self.text);
        Ok(more)
    }

    fn value(&self, _field: usize) -> Value<'_> {
        Value::Text(self.text.as_str().into())
    }

    fn place(&self) -> Place {
        self.lines.place()
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use crate::{Dataset, Source};

    #[test]
    fn a_line_is_a_text() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("corpus.txt");
        fs::write(&path, "\u{feff}first, \"one\"\r\n\n{last\n").unwrap();
        let data = Dataset::load(&path).unwrap();
        assert_eq!(data.columns(), ["text"]);
        let texts: Vec<&str> = (0..data.len()).map(|row| data.text(row, 0).unwrap()).collect();
        assert_eq!(texts, ["first, \"one\"", "", "{last"]);
        assert_eq!((0..3).map(|row| data.is_missing(row, 0).unwrap()).collect::<Vec<_>>(), [false, true, false]);

        let named = Source::new(&path).with_column_names(vec!["query".to_owned()]);
        assert_eq!(Dataset::from_source(&named).unwrap().columns(), ["query"]);
        let two = Source::new(&path).with_column_names(vec!["a".to_owned(), "b".to_owned()]);
        let message = Dataset::from_source(&two).unwrap_err().to_string();
        assert!(message.ends_with("corpus.txt: 2 column names; expected one for a text file"), "{message}");
        fs::write(&path, b"a\nb\xff\n").unwrap();
        let message = Dataset::load(&path).unwrap_err().to_string();
        assert!(message.ends_with("corpus.txt:2: not UTF-8; expected text in UTF-8"), "{message}");
    }
}
