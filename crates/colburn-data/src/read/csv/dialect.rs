//! The dialect of a CSV file: its separator, whether quotes count, and the names of its columns where it has no header.
//!
//! The separator is the one that was given, or else follows from up to 100 rows at the beginning of the file, in which quotes are
//! respected. A separator *fits* when it makes at least two columns of the header and as many of every row. In a file whose name has
//! `.tsv` a tab comes first, in others a comma; if that does not fit and exactly one of comma, semicolon, tab and vertical bar does,
//! it is that. A file of one column has the separator of its name.

use csv::{ByteRecord, ReaderBuilder};

use super::headerless;
use crate::error::{Error, Place, Result, quoted};
use crate::read::input::Input;
use crate::source::Source;
use crate::source::format::{ending, plain_name};

/// The rows by which the separator is found.
const SAMPLE: usize = 100;

/// The dialect of a file.
pub(super) struct Dialect {
    pub(super) delimiter: u8,
    pub(super) quoting: bool,
    /// The names of the columns; none if they are on the first line.
    pub(super) names: Option<Vec<String>>,
}

impl Dialect {
    pub(super) fn of(input: &Input, source: &Source) -> Result<Self> {
        let is_tsv = ending(plain_name(&input.path).as_ref()) == "tsv";
        let delimiter = match source.delimiter {
            Some(given) => u8::try_from(given).ok().filter(|&byte| byte.is_ascii() && !b"\"\r\n".contains(&byte)),
            None => Some(sniffed(input, is_tsv)?),
        };
        let Some(delimiter) = delimiter else {
            let reason = format!(
                "delimiter {:?}; expected one ASCII character such as , ; | or a tab",
                source.delimiter.unwrap_or_default()
            );
            return Err(Error::Option { spec: source.spec.clone(), reason });
        };
        if let Some(names) = &source.column_names {
            // Files without a header are those of MS MARCO and TREC, in which a quote is a character like others.
            return Ok(Self { delimiter, quoting: delimiter != b'\t', names: Some(names.clone()) });
        }
        if delimiter == b'\t'
            && let Some(names) = headerless::names(&input.path, &sample(input, b'\t', false))
        {
            let (path, found) = (input.path.display(), quoted(names));
            tracing::warn!(
                "{path}: no header, because the first line is a row like the others; its columns are {found}"
            );
            let names = names.iter().map(|&name| name.to_owned()).collect();
            return Ok(Self { delimiter, quoting: false, names: Some(names) });
        }
        if let [first, others @ ..] = &sample(input, delimiter, true)[..] {
            check_header(input, first, others)?;
        }
        Ok(Self { delimiter, quoting: true, names: None })
    }
}

/// Refuses a header that cannot be one, and warns of one that may be a row.
fn check_header(input: &Input, first: &ByteRecord, others: &[ByteRecord]) -> Result<()> {
    let place = Place::Line { path: input.path.clone(), line: 1 };
    let cells: Vec<String> = first.iter().take(3).map(|cell| shortened(&String::from_utf8_lossy(cell))).collect();
    let cells = quoted(cells);
    if headerless::is_row(first) {
        let reason = format!(
            "a row where the names of the columns should be ({cells}); expected a header, or column names given beside the file"
        );
        return Err(Error::Line { place, reason });
    }
    if let Some(reason) = headerless::may_be_row(first, others) {
        tracing::warn!(
            "{place}: read as the names of the columns, although {reason}: {cells}; if the file has no header, give column names beside it"
        );
    }
    Ok(())
}

fn sniffed(input: &Input, is_tsv: bool) -> Result<u8> {
    let candidates = if is_tsv { *b"\t,;|" } else { *b",\t;|" };
    let columns = |delimiter: u8| sample(input, delimiter, true).first().map_or(0, ByteRecord::len);
    let fits = |delimiter: u8| {
        let even = |rows: Vec<ByteRecord>| {
            rows.first().is_some_and(|first| first.len() > 1 && rows.iter().all(|row| row.len() == first.len()))
        };
        even(sample(input, delimiter, true)) || (delimiter == b'\t' && even(sample(input, delimiter, false)))
    };
    let native = candidates[0];
    if fits(native) {
        return Ok(native);
    }
    let fitting: Vec<u8> = candidates[1..].iter().copied().filter(|&delimiter| fits(delimiter)).collect();
    let wrong =
        |line: u64, reason: String| Err(Error::Line { place: Place::Line { path: input.path.clone(), line }, reason });
    match fitting[..] {
        [only] => Ok(only),
        [first, second, ..] => {
            let (first, second) = (name(first), name(second));
            wrong(1, format!("columns separated by {first} or by {second}; give the delimiter beside the file"))
        }
        [] => {
            let other = candidates[1..].iter().copied().find(|&delimiter| columns(delimiter) > 1);
            let Some(other) = other.filter(|_| columns(native) <= 1) else { return Ok(native) };
            let rows = sample(input, other, true);
            let expected = rows.first().map_or(0, ByteRecord::len);
            let uneven = rows.iter().find(|row| row.len() != expected);
            let line = uneven.and_then(ByteRecord::position).map_or(1, csv::Position::line);
            let (found, other, native) = (uneven.map_or(0, ByteRecord::len), name(other), name(native));
            wrong(
                line,
                format!(
                    "{found} fields separated by {other}, but the header has {expected}; correct the row, or give the delimiter if it is \
                     {native}"
                ),
            )
        }
    }
}

/// The rows at the beginning of the file that are wholly there.
fn sample(input: &Input, delimiter: u8, quoting: bool) -> Vec<ByteRecord> {
    let mut reader = ReaderBuilder::new()
        .delimiter(delimiter)
        .quoting(quoting)
        .has_headers(false)
        .flexible(true)
        .from_reader(&input.head[..]);
    let mut rows: Vec<ByteRecord> = reader.byte_records().map_while(std::result::Result::ok).take(SAMPLE + 1).collect();
    if rows.len() > SAMPLE || !input.is_whole() {
        rows.pop();
    }
    rows
}

pub(super) fn name(delimiter: u8) -> String {
    match delimiter {
        b'\t' => "tabs".to_owned(),
        b',' => "commas".to_owned(),
        b';' => "semicolons".to_owned(),
        b'|' => "vertical bars".to_owned(),
        other => format!("{:?}", char::from(other)),
    }
}

fn shortened(text: &str) -> String {
    match text.char_indices().nth(30) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
