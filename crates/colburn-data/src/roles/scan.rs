//! One pass over the rows before a run: which of them are kept, and what is said about the others.

use crate::dataset::Dataset;
use crate::error::{Error, Result, quoted};
use crate::roles::columns::Columns;
use crate::roles::finder::Scores;
use crate::roles::options::{Missing, Positives, RowOptions, ShortRows};
use crate::roles::texts::RowTexts;

/// True if it is known without a look at each row that all are kept as they are: every column with a role holds one text a row, and none is
/// blank.
pub(super) fn has_all_texts(data: &Dataset, columns: &Columns, options: RowOptions) -> Result<bool> {
    let documents = columns.documents();
    let is_plain = *columns.scores() == Scores::None
        && options.n_negatives.is_none()
        && columns.positives().len() <= 1
        && !documents.iter().any(|&column| columns.is_list(column));
    let roles = || std::iter::once(columns.query()).chain(documents.iter().copied());
    Ok(is_plain && data.are_texts(&roles().collect::<Vec<_>>())?)
}

/// The rows that are kept, as far as not all of them are kept as they are.
pub(super) struct Kept {
    pub rows: Option<Vec<usize>>,
    /// The number of the positive of each.
    pub positives: Option<Vec<u32>>,
}

/// The rows that are kept so far.
pub(super) struct Scan {
    rows: usize,
    /// The first rows, which are kept as they are.
    same: usize,
    /// All rows that are kept, and the positive of each, once one was left out or became several.
    changed: Option<(Vec<usize>, Vec<u32>)>,
    /// Rows without a text, and the place and column of the first.
    missing: usize,
    first_missing: Option<String>,
    /// Rows of several positives.
    several: usize,
    /// Rows with too few negatives.
    short: usize,
    /// The number of documents of the first row.
    documents: Option<usize>,
}

impl Scan {
    pub(super) fn new(rows: usize) -> Self {
        Self { rows, same: 0, changed: None, missing: 0, first_missing: None, several: 0, short: 0, documents: None }
    }

    /// A scan of rows behind others, whose rows have so many documents.
    pub(super) fn behind(rows: usize, documents: usize) -> Self {
        Self { documents: Some(documents), ..Self::new(rows) }
    }

    /// Looks at a row, after those before it.
    pub(super) fn add(&mut self, data: &Dataset, row: usize, columns: &Columns, options: RowOptions) -> Result<()> {
        let texts = RowTexts::read(data, row, columns)?;
        let problem = |problem: String| Error::Example { place: data.place(row), problem };
        let (_, negatives) = texts.split(0);
        // A row may have fewer negatives where only some are drawn; elsewhere a text is missing.
        let is_negative = |column: usize| columns.negatives().contains(&column);
        if let Some(column) = texts.missing.filter(|&column| options.n_negatives.is_none() || !is_negative(column)) {
            let name = data.columns()[column];
            match options.missing {
                Missing::Error => {
                    return Err(problem(format!(
                        "column \"{name}\" is empty; expected a text in every row, or missing = \"skip\" to leave such rows out, \"keep\" to train an empty text"
                    )));
                }
                Missing::Skip => {
                    self.missing += 1;
                    self.first_missing.get_or_insert_with(|| format!("{}: column \"{name}\"", data.place(row)));
                    return Ok(());
                }
                Missing::Keep
                    if *columns.scores() != Scores::None
                        && texts.documents.iter().any(|found| found.score.is_none()) =>
                {
                    return Err(problem(format!(
                        "column \"{name}\" is empty, and there is no score for each document"
                    )));
                }
                Missing::Keep => {}
            }
        }
        if texts.positives > 1 {
            self.several += 1;
            if options.positives == Positives::Error {
                let names = quoted(columns.positives().iter().map(|&column| data.columns()[column]));
                let (several, count) =
                    if columns.positives().len() > 1 { ("columns", "hold") } else { ("column", "holds") };
                return Err(problem(format!(
                    "{several} {names} {count} {} positives, but a row trains one, and any further document would be a negative; \
                     positives = \"first\" takes the first one, \"each\" makes a row of each",
                    texts.positives
                )));
            }
        }
        let found = negatives.filter(|&at| !texts.documents[at].is_missing()).count();
        let found = if options.n_negatives.is_some() { found } else { texts.split(0).1.len() };
        let negatives = match options.n_negatives.map(|count| count.get()) {
            Some(count) if found < count => {
                self.short += 1;
                let expected = "short_rows = \"repeat\" repeats them, \"drop\" leaves such rows out";
                match options.short_rows {
                    ShortRows::Error => {
                        return Err(problem(format!("{found} negatives where n_negatives = {count}; {expected}")));
                    }
                    ShortRows::Repeat if found == 0 => {
                        return Err(problem(format!(
                            "no negative to repeat where n_negatives = {count}; short_rows = \"drop\" leaves such rows out"
                        )));
                    }
                    ShortRows::Repeat => count,
                    ShortRows::Drop => return Ok(()),
                }
            }
            Some(count) => count,
            None => found,
        };
        let documents = if texts.documents.is_empty() { 0 } else { 1 + negatives };
        let first = *self.documents.get_or_insert(documents);
        if documents != first || documents == 0 {
            let expected = first.max(1);
            return Err(problem(format!(
                "{documents} documents, but the first row has {expected}; expected as many in every row, at least one; n_negatives = N \
                 draws N negatives of each row"
            )));
        }
        let picks = if options.positives == Positives::Each { texts.positives.max(1) } else { 1 };
        self.keep(row, picks);
        Ok(())
    }

    /// Keeps a row for each of its first `picks` positives.
    fn keep(&mut self, row: usize, picks: usize) {
        if self.changed.is_none() && (row, picks) == (self.same, 1) {
            self.same += 1;
            return;
        }
        let same = self.same;
        let (kept, positives) = self.changed.get_or_insert_with(|| ((0..same).collect(), vec![0; same]));
        for pick in 0..picks {
            kept.push(row);
            positives.push(u32::try_from(pick).unwrap_or(u32::MAX));
        }
    }

    /// The number of rows that are kept.
    pub(super) fn len(&self) -> usize {
        self.changed.as_ref().map_or(self.same, |(kept, _)| kept.len())
    }

    /// Logs a line for each treatment of rows.
    pub(super) fn say(&self, data: &Dataset, options: RowOptions) {
        let (origin, rows, kept) = (data.origin(), self.rows, self.len());
        if let Some(first) = &self.first_missing {
            let missing = self.missing;
            tracing::warn!(
                "{origin}: {missing} of {rows} rows lack a text and are left out, the first of them {first}"
            );
        }
        if self.several > 0 {
            let (several, made) = (
                self.several,
                match options.positives {
                    Positives::Each => format!("each makes a row: {kept} rows in all"),
                    Positives::First | Positives::Error => "the first of them counts".to_owned(),
                },
            );
            tracing::info!("{origin}: {several} of {rows} rows have several positives; {made}");
        }
        if let (1.., Some(count)) = (self.short, options.n_negatives) {
            let (short, treatment) = (
                self.short,
                match options.short_rows {
                    ShortRows::Drop => "are left out",
                    ShortRows::Repeat | ShortRows::Error => "repeat them",
                },
            );
            tracing::warn!("{origin}: {short} of {rows} rows have fewer than {count} negatives and {treatment}");
        }
    }

    /// The rows that are kept.
    ///
    /// # Errors
    /// When none is.
    pub(super) fn finish(self, data: &Dataset) -> Result<Kept> {
        if self.len() == 0 && self.rows > 0 {
            let problem = format!("none of {} rows is left", self.rows);
            return Err(Error::NoRows { data: data.origin(), problem });
        }
        Ok(match self.changed {
            None if self.same == self.rows => Kept { rows: None, positives: None },
            None => Kept { rows: Some((0..self.same).collect()), positives: None },
            Some((kept, picks)) => {
                Kept { rows: Some(kept), positives: picks.iter().any(|&pick| pick > 0).then_some(picks) }
            }
        })
    }
}
