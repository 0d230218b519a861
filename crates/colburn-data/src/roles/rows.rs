//! Rows of texts: of each row a query, a positive and negatives, by the roles of the columns. All that a row can lack is found before the
//! first batch, because a bad row would otherwise stop a run after hours, or be trained as it is.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

use crate::dataset::Dataset;
use crate::error::Result;
use crate::roles::columns::Columns;
use crate::roles::options::RowOptions;
use crate::roles::scan::{Scan, has_all_texts};
use crate::roles::texts::RowTexts;
use crate::shuffle::{Purpose, permutation};

/// Rows with a query and its documents, see [`Columns`] and [`RowOptions`].
///
/// Clones and selections of rows are cheap: they share the texts.
///
/// ```
/// use colburn_data::{Dataset, TextRows};
///
/// let names = ["query", "title", "positive", "negative"];
/// let data = Dataset::from_rows(&names, [["what is rust", "Rust", "a language", "iron oxide"].map(String::from).to_vec()])?;
/// let rows = TextRows::from(data);
/// assert_eq!(rows.query(0)?, "what is rust");
/// assert_eq!(rows.documents(0)?, ["a language", "iron oxide"]);
/// # Ok::<(), colburn_data::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct TextRows {
    data: Dataset,
    options: RowOptions,
    /// The roles, once all rows are checked.
    checked: Option<Arc<Columns>>,
    /// The place of the positive of each row among the positives of its row, where each makes a row.
    picks: Option<Arc<[u32]>>,
}

/// A clone, which is cheap. The rows have [`RowOptions`]'s defaults.
impl From<&Dataset> for TextRows {
    fn from(data: &Dataset) -> Self {
        Self::from(data.clone())
    }
}

/// The rows have [`RowOptions`]'s defaults.
impl From<Dataset> for TextRows {
    fn from(data: Dataset) -> Self {
        Self { data, options: RowOptions::default(), checked: None, picks: None }
    }
}

impl From<&TextRows> for TextRows {
    fn from(rows: &TextRows) -> Self {
        rows.clone()
    }
}

impl TextRows {
    /// Reads all rows once, and keeps those that the options choose. One line of the log says which column plays which role, and one each
    /// how many rows are left out, repeated or made of several positives.
    ///
    /// # Errors
    /// When the columns have no roles, see [`Columns::of`]; when a row lacks a text, has several positives, another number of documents
    /// than the first row, no documents, or no finite score for a document, and the options do not say what becomes of it; and when no row
    /// is left.
    pub fn new(data: Dataset, options: RowOptions) -> Result<Self> {
        let columns = Columns::find(&data)?;
        let line = columns.line(&data);
        if columns.is_by_order() {
            tracing::warn!("{line}");
        } else {
            tracing::info!("{line}");
        }
        if has_all_texts(&data, &columns, options)? {
            return Ok(Self { data, options, checked: Some(Arc::new(columns)), picks: None });
        }
        let mut scan = Scan::new(data.len());
        for row in 0..data.len() {
            scan.add(&data, row, &columns, options)?;
        }
        scan.say(&data, options);
        let kept = scan.finish(&data)?;
        let data = match kept.rows {
            Some(rows) => data.select(&rows)?,
            None => data,
        };
        Ok(Self { data, options, checked: Some(Arc::new(columns)), picks: kept.positives.map(Into::into) })
    }

    /// The rows of `data` that are kept, where the rows before them have these columns, and as many documents as `self`'s; none if no row is.
    ///
    /// # Errors
    /// As [`TextRows::new`].
    pub(crate) fn further(&self, data: Dataset, columns: &Arc<Columns>) -> Result<Option<Self>> {
        let first = Self { picks: None, ..self.clone() };
        let documents = first.texts(0, columns, 0, 0)?.documents.len();
        let mut scan = Scan::behind(data.len(), documents);
        for row in 0..data.len() {
            scan.add(&data, row, columns, self.options)?;
        }
        if scan.len() == 0 {
            return Ok(None);
        }
        let kept = scan.finish(&data)?;
        let data = match kept.rows {
            Some(rows) => data.select(&rows)?,
            None => data,
        };
        Ok(Some(Self {
            data,
            options: self.options,
            checked: Some(columns.clone()),
            picks: kept.positives.map(Into::into),
        }))
    }

    /// The rows themselves, if they are checked already, else those that [`TextRows::new`] makes of them.
    ///
    /// # Errors
    /// As [`TextRows::new`].
    pub fn checked(self) -> Result<Self> {
        match self.checked {
            Some(_) => Ok(self),
            None => Self::new(self.data, self.options),
        }
    }

    /// The data set of the rows, without those that are left out.
    pub fn dataset(&self) -> &Dataset {
        &self.data
    }

    /// The options of the rows.
    pub fn options(&self) -> RowOptions {
        self.options
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.data.len()
    }

    /// True if there are no rows.
    pub fn is_empty(&self) -> bool {
        self.data.is_empty()
    }

    /// The query of a row.
    ///
    /// # Errors
    /// When there is no such row, it has no query, or the columns have no roles.
    pub fn query(&self, row: usize) -> Result<&str> {
        self.data.text(row, self.columns()?.query())
    }

    /// The documents of a row: the positive, then all negatives, also where a batch has only some of them.
    ///
    /// # Errors
    /// When there is no such row, a value is no text, or the columns have no roles.
    pub fn documents(&self, row: usize) -> Result<Vec<Cow<'_, str>>> {
        let columns = self.columns()?;
        let found = RowTexts::read(&self.data, row, &columns)?;
        Ok(found.all(self.pick(row)).into_iter().map(|at| found.documents[at].text.clone()).collect())
    }

    /// The given rows in the given order; a row may occur more than once.
    ///
    /// # Errors
    /// When there is no such row.
    pub fn select(&self, rows: &[usize]) -> Result<Self> {
        let data = self.data.select(rows)?;
        let picks = self.picks.as_ref().map(|picks| rows.iter().filter_map(|&row| picks.get(row).copied()).collect());
        Ok(Self { data, picks, ..self.clone() })
    }

    /// Consecutive rows.
    ///
    /// # Errors
    /// When the range is not within the rows.
    pub fn slice(&self, rows: Range<usize>) -> Result<Self> {
        let data = self.data.slice(rows.clone())?;
        let picks = self.picks.as_ref().and_then(|picks| picks.get(rows)).map(Into::into);
        Ok(Self { data, picks, ..self.clone() })
    }

    /// One line for reports and messages: where the rows come from, how many there are, and the columns.
    pub fn description(&self) -> String {
        self.data.description()
    }

    /// The roles of the columns.
    ///
    /// # Errors
    /// As [`Columns::of`].
    pub fn columns(&self) -> Result<Arc<Columns>> {
        match &self.checked {
            Some(columns) => Ok(columns.clone()),
            None => Ok(Arc::new(Columns::find(&self.data)?)),
        }
    }

    /// The place of the positive of a row among the positives.
    pub(crate) fn pick(&self, row: usize) -> usize {
        self.picks.as_ref().and_then(|picks| picks.get(row)).map_or(0, |&pick| pick as usize)
    }

    /// True if each positive makes a row.
    pub(crate) fn has_picks(&self) -> bool {
        self.picks.is_some()
    }

    /// The texts of a row that are trained on in an epoch: the positive, then the negatives, which are drawn where there are more than
    /// `n_negatives`.
    pub(crate) fn texts(&self, row: usize, columns: &Columns, seed: u64, epoch: u64) -> Result<RowTexts<'_>> {
        self.texts_of(row, columns, (seed, epoch, row as u64))
    }

    /// The same, where (seed, epoch, row) decide on the negatives that are drawn.
    pub(crate) fn texts_of(&self, row: usize, columns: &Columns, draw: (u64, u64, u64)) -> Result<RowTexts<'_>> {
        let mut found = RowTexts::read(&self.data, row, columns)?;
        let (positive, negatives) = found.split(self.pick(row));
        let negatives: Vec<usize> = match self.options.n_negatives {
            None => negatives.collect(),
            Some(count) => {
                let all: Vec<usize> = negatives.collect();
                let all: Vec<usize> = all.into_iter().filter(|&at| !found.documents[at].is_missing()).collect();
                drawn(all.len(), count.get(), draw).into_iter().filter_map(|at| all.get(at).copied()).collect()
            }
        };
        let chosen = positive.into_iter().chain(negatives).map(|at| found.documents[at].clone()).collect();
        found.documents = chosen;
        Ok(found)
    }
}

/// Numbers below `all`, ascending: `count` of them without repetition in an order that (seed, epoch, row) decides alone. If there are
/// fewer, each stands as often as it takes.
fn drawn(all: usize, count: usize, (seed, epoch, row): (u64, u64, u64)) -> Vec<usize> {
    let Some(times) = count.checked_div(all) else { return Vec::new() };
    let mut drawn: Vec<usize> = (0..times).flat_map(|_| 0..all).collect();
    if drawn.len() < count {
        let order = permutation(all, Purpose::Negatives(epoch), seed, row);
        drawn.extend(&order[..count - drawn.len()]);
    }
    drawn.sort_unstable();
    drawn
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroUsize;

    use super::*;
    use crate::roles::options::{Missing, Positives, ShortRows};

    fn jsonl(lines: &[&str]) -> Dataset {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rows.jsonl");
        std::fs::write(&path, lines.iter().map(|line| format!("{line}\n")).collect::<String>()).unwrap();
        Dataset::load(&path).unwrap()
    }

    /// The texts of all rows in an epoch, as they are trained on.
    fn trained(rows: &TextRows, epoch: u64) -> Vec<Vec<String>> {
        let columns = rows.columns().unwrap();
        let row = |row: usize| {
            let texts = rows.texts(row, &columns, 42, epoch).unwrap();
            let documents = texts.documents.into_iter().map(|document| document.text.into_owned());
            std::iter::once(texts.query.into_owned()).chain(documents).collect()
        };
        (0..rows.len()).map(row).collect()
    }

    fn new(lines: &[&str], options: RowOptions) -> std::result::Result<Vec<Vec<String>>, String> {
        let rows = TextRows::new(jsonl(lines), options).map_err(|error| error.to_string())?;
        Ok(trained(&rows, 0))
    }

    const SEVERAL: &[&str] = &[
        r#"{"query": "a", "pos": ["b", "c"], "neg": ["d"]}"#,
        r#"{"query": "e", "pos": ["f"], "neg": ["g"]}"#,
        r#"{"query": "h", "pos": "i", "neg": "j"}"#,
    ];
    const RAGGED: &[&str] = &[
        r#"{"query": "a", "positive": "b", "negative": ["c", "d", "e"]}"#,
        r#"{"query": "f", "positive": "g", "negative": ["h"]}"#,
        r#"{"query": "i", "positive": "j", "negative": ["k", "l"]}"#,
    ];
    const MISSING: &[&str] = &[
        r#"{"query": "a", "positive": "b", "negative": "c", "title": "t"}"#,
        r#"{"query": "d", "positive": "", "negative": "e"}"#,
        r#"{"query": "f", "positive": null, "negative": "g"}"#,
        r#"{"query": " ", "positive": "h", "negative": "i"}"#,
        r#"{"query": "j", "positive": ["k"]}"#,
        r#"{"query": "l", "positive": "m", "negative": ["n"], "title": null}"#,
    ];

    fn options(positives: Positives, n_negatives: usize, short_rows: ShortRows, missing: Missing) -> RowOptions {
        RowOptions { positives, n_negatives: NonZeroUsize::new(n_negatives), short_rows, missing }
    }

    #[test]
    fn rows_are_chosen_by_their_options() {
        use Positives::{Each, First};
        let error = Positives::Error;
        for (lines, options, expected) in [
            (SEVERAL, options(First, 0, ShortRows::Error, Missing::Error), &["a b d", "e f g", "h i j"][..]),
            (SEVERAL, options(Each, 0, ShortRows::Error, Missing::Error), &["a b d", "a c d", "e f g", "h i j"]),
            (&SEVERAL[1..], RowOptions::default(), &["e f g", "h i j"]),
            (RAGGED, options(error, 1, ShortRows::Error, Missing::Error), &["a b d", "f g h", "i j k"]),
            (RAGGED, options(error, 2, ShortRows::Drop, Missing::Error), &["a b c d", "i j k l"]),
            (RAGGED, options(error, 3, ShortRows::Repeat, Missing::Error), &["a b c d e", "f g h h h", "i j k k l"]),
            (MISSING, options(error, 0, ShortRows::Error, Missing::Skip), &["a b c", "l m n"]),
            (
                &[
                    r#"{"query": "f", "positive": "p", "negative": ""}"#,
                    r#"{"query": "g", "positive": null, "negative": "n"}"#,
                ],
                options(error, 0, ShortRows::Error, Missing::Keep),
                &["f p ", "g  n"],
            ),
            // A negative that is missing is one less to draw from.
            (MISSING, options(error, 1, ShortRows::Drop, Missing::Skip), &["a b c", "l m n"]),
        ] {
            let found = new(lines, options).unwrap();
            let found: Vec<String> = found.iter().map(|row| row.join(" ")).collect();
            // Which negatives are drawn is seen in another test.
            let shape = |rows: &[String]| rows.iter().map(String::len).collect::<Vec<_>>();
            let expected: Vec<String> = expected.iter().map(|row| (*row).to_owned()).collect();
            if options.n_negatives.is_some() {
                assert_eq!(shape(&found), shape(&expected), "{found:?}");
                assert!(found.iter().zip(&expected).all(|(found, expected)| found[..3] == expected[..3]), "{found:?}");
            } else {
                assert_eq!(found, expected);
            }
        }
    }

    #[test]
    fn rows_that_cannot_be_trained_are_named() {
        let error = |missing| options(Positives::Error, 0, ShortRows::Error, missing);
        let draw = |count, short_rows| options(Positives::Error, count, short_rows, Missing::Error);
        for (lines, options, expected) in [
            (
                SEVERAL,
                RowOptions::default(),
                "rows.jsonl: row 0 (counted from 0): column \"pos\" holds 2 positives, but a row trains one",
            ),
            (
                &[r#"{"query": "a", "positive_1": "b", "positive_2": "c"}"#],
                RowOptions::default(),
                "columns \"positive_1\", \"positive_2\" hold 2 positives",
            ),
            (
                RAGGED,
                RowOptions::default(),
                "row 1 (counted from 0): 2 documents, but the first row has 4; expected as many in",
            ),
            (
                RAGGED,
                draw(2, ShortRows::Error),
                "row 1 (counted from 0): 1 negatives where n_negatives = 2; short_rows = \"repeat\"",
            ),
            (
                &[
                    r#"{"query": "a", "positive": "b", "negative": ["c"]}"#,
                    r#"{"query": "a", "positive": "b", "negative": []}"#,
                ],
                draw(1, ShortRows::Repeat),
                "row 1 (counted from 0): no negative to repeat where n_negatives = 1; short_rows = \"drop\"",
            ),
            (
                MISSING,
                error(Missing::Error),
                "row 1 (counted from 0): column \"positive\" is empty; expected a text in every row",
            ),
            (&MISSING[2..], error(Missing::Error), "row 0 (counted from 0): column \"positive\" is empty"),
            (&MISSING[3..], error(Missing::Error), "row 0 (counted from 0): column \"query\" is empty"),
            (&MISSING[4..], error(Missing::Error), "row 0 (counted from 0): column \"negative\" is empty"),
            (&MISSING[1..2], error(Missing::Skip), "none of 1 rows is left"),
            (
                &[r#"{"query": "a", "positive": "b"}"#, r#"{"query": "a", "positive": 3}"#],
                RowOptions::default(),
                "row 1 (counted from 0): column \"positive\" holds a number; expected texts",
            ),
            (
                &[
                    r#"{"query": "a", "documents": ["b", "c"], "scores": [1, 2]}"#,
                    r#"{"query": "a", "documents": ["b", "c"], "scores": [1]}"#,
                ],
                RowOptions::default(),
                "row 1 (counted from 0): 2 documents but 1 scores; expected a number for each document",
            ),
            (
                &[r#"{"query": "a", "doc_1": "b", "doc_2": "c", "score_1": 1, "score_2": 1e300}"#],
                RowOptions::default(),
                "row 0 (counted from 0): column \"score_2\" holds 1e300; expected finite numbers of 32 bits",
            ),
        ] {
            let message = new(lines, options).unwrap_err();
            assert!(message.contains(expected) && !message.contains('\n'), "{message}\nexpected: {expected}");
        }
    }

    #[test]
    fn draws_never_change_and_follow_from_seed_epoch_and_row() {
        // print(sorted(permutation(12, struct.pack("<8sQ", b"negative", 3), 42, 7)[:5])) with permutation() of shuffle.rs
        assert_eq!(drawn(12, 5, (42, 3, 7)), [1, 2, 6, 7, 9]);
        assert_eq!(drawn(3, 3, (1, 1, 1)), [0, 1, 2]);
        assert_eq!(drawn(2, 4, (1, 1, 1)), [0, 0, 1, 1]);
        assert_eq!(drawn(0, 4, (1, 1, 1)), Vec::<usize>::new());
        let all: Vec<Vec<usize>> = (0..100).map(|epoch| drawn(10, 3, (42, epoch, 0))).collect();
        assert!(all.iter().all(|draw| draw.len() == 3 && draw.windows(2).all(|pair| pair[0] < pair[1])));
        assert!((0..10).all(|at| all.iter().any(|draw| draw.contains(&at))), "each negative has its turn");
        assert_ne!(drawn(100, 10, (42, 0, 0)), drawn(100, 10, (43, 0, 0)));
        assert_ne!(drawn(100, 10, (42, 0, 0)), drawn(100, 10, (42, 0, 1)));

        let draw = options(Positives::Error, 1, ShortRows::Error, Missing::Error);
        let rows = TextRows::new(jsonl(RAGGED), draw).unwrap();
        let epochs: Vec<_> = (0..20).map(|epoch| trained(&rows, epoch)).collect();
        assert!(epochs.iter().any(|texts| *texts != epochs[0]));
        assert_eq!(trained(&rows, 7), epochs[7]);
        // Rows that are not short are what they would be without a number.
        let plain = &[r#"{"query": "a", "positive": "b", "negative": "c"}"#][..];
        assert_eq!(new(plain, draw), new(plain, RowOptions::default()));
    }

    #[test]
    fn views_keep_their_positives() {
        let each = options(Positives::Each, 0, ShortRows::Error, Missing::Error);
        let rows = TextRows::new(jsonl(SEVERAL), each).unwrap();
        let positives = |rows: &TextRows| {
            (0..rows.len()).map(|row| rows.documents(row).unwrap()[0].clone().into_owned()).collect::<Vec<_>>()
        };
        assert_eq!(positives(&rows), ["b", "c", "f", "i"]);
        assert_eq!(positives(&rows.select(&[3, 1, 0]).unwrap()), ["i", "c", "b"]);
        assert_eq!(positives(&rows.slice(1..3).unwrap()), ["c", "f"]);
        assert_eq!(rows.query(1).unwrap(), "a");
        assert!(rows.select(&[4]).is_err() && rows.slice(3..5).is_err());
    }

    /// Columns that play no part may hold anything.
    #[test]
    fn other_columns_change_nothing() {
        let plain = new(&[r#"{"query": "a", "positive": "b", "negative": "c"}"#], RowOptions::default()).unwrap();
        for other in [
            r#"{"title": "t", "query": "a", "positive": "b", "negative": "c", "note": null}"#,
            r#"{"id": 7, "query": "a", "tags": ["x", "y"], "positive": ["b"], "negative": "c"}"#,
            r#"{"query": "a", "positive": "b", "negative": ["c"], "meta": {"x": 1}, "source_id": ""}"#,
            r#"{"query": "a", "positive": "b", "negative": "c", "answer": "", "label": 1}"#,
        ] {
            assert_eq!(new(&[other], RowOptions::default()).unwrap(), plain, "{other}");
        }
    }
}
