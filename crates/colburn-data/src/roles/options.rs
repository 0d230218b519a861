//! The choice of the texts of rows where a row has more texts than a batch takes, or fewer.

use std::num::NonZeroUsize;

use serde::{Deserialize, Serialize};

/// The treatment of rows with several positives. A contrastive loss takes one positive a row, and every further document is a negative.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Positives {
    /// They are an error.
    #[default]
    Error,
    /// The first one counts.
    First,
    /// Each one makes a row of its own, with the query and the negatives of its row.
    Each,
}

/// The treatment of rows with fewer than `n_negatives` negatives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ShortRows {
    /// They are an error.
    #[default]
    Error,
    /// Their negatives are repeated.
    Repeat,
    /// They are left out.
    Drop,
}

/// The treatment of rows without a text in a column with a role.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Missing {
    /// They are an error.
    #[default]
    Error,
    /// They are left out.
    Skip,
    /// The text is trained as an empty one, as PyLate does.
    Keep,
}

/// The choice of the texts of rows, for [`TextRows::new`](crate::TextRows::new).
///
/// ```
/// use colburn_data::{Dataset, Missing, RowOptions, TextRows};
///
/// let rows = [["what is rust", "a language"], ["what is colbert", ""]];
/// let data = Dataset::from_rows(&["query", "positive"], rows.map(|row| row.map(String::from).to_vec()))?;
/// assert!(TextRows::new(data.clone(), RowOptions::default()).is_err());
/// let rows = TextRows::new(data, RowOptions { missing: Missing::Skip, ..RowOptions::default() })?;
/// assert_eq!(rows.len(), 1);
/// # Ok::<(), colburn_data::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RowOptions {
    /// Rows with several positives.
    pub positives: Positives,
    /// The number of negatives of each row: so many are drawn in each epoch, without repetition. All of them if not given, and then each
    /// row has to have as many.
    pub n_negatives: Option<NonZeroUsize>,
    /// Rows with fewer negatives than `n_negatives`.
    pub short_rows: ShortRows,
    /// Rows without a text in a column with a role.
    pub missing: Missing,
}
