//! From rows to the tokens of a batch. Queries and documents are each tokenized in one call, in parallel inside the
//! tokenizer; nothing is padded and no tensor is made, so batches can be prepared on any thread.

use std::borrow::Cow;

use colburn_model::{Kind, TextTokenizer, TokenBatch};

use crate::columns::Columns;
use crate::dataset::Dataset;
use crate::distillation::KdProcessing;
use crate::error::{Error, Result};
use crate::examples::{Examples, texts_of_list};
use crate::prompts::Prompts;
use crate::table::{Items, Kind as ColumnKind};

/// The tokens of some rows.
#[derive(Clone, Debug, PartialEq)]
pub struct Batch {
    /// One query a row.
    pub queries: TokenBatch,
    /// The documents of the first row (its positive, then its negatives), then those of the second row, and so on. Each row
    /// has as many.
    pub documents: TokenBatch,
    /// A teacher's score of each document, in the order of the documents, where the data has such scores.
    pub scores: Option<Vec<f32>>,
}

/// Turns rows into batches: PyLate's `ColBERTCollator`.
///
/// Rows of texts have the roles of [`Columns`]; where their label is a list, it holds a score for each document of the row.
/// Rows of a [`KdProcessing`] have its query, documents and scores.
///
/// ```
/// use colburn_data::{Batch, Collator, KdProcessing, Prompts, Result};
/// use colburn_model::TextTokenizer;
///
/// fn first_two(data: KdProcessing, tokenizer: TextTokenizer) -> Result<Batch> {
///     let collator = Collator::new(tokenizer, data)?.with_prompts(Prompts::from([("query", "search for: ")]))?;
///     collator.collate(&[0, 1])
/// }
/// ```
#[derive(Clone)]
pub struct Collator {
    tokenizer: TextTokenizer,
    source: Source,
    prompts: Prompts,
}

#[derive(Clone)]
enum Source {
    /// `scores` is the column of lists of scores, if there is one.
    Texts {
        data: Dataset,
        columns: Columns,
        scores: Option<usize>,
    },
    Distillation(KdProcessing),
}

/// The texts of a batch, before they are tokenized.
#[derive(Default)]
struct Texts<'a> {
    queries: Vec<Cow<'a, str>>,
    documents: Vec<Cow<'a, str>>,
    scores: Vec<f32>,
}

impl Collator {
    /// A collator for these rows. Rows with lists are all read once, so that a list which would stop the run does it now.
    ///
    /// # Errors
    /// When the columns have no roles, see [`Columns::of`]; when a row with lists has another number of documents than the
    /// first row, none at all, or not a finite score for each; and as [`KdProcessing::check`].
    pub fn new(tokenizer: TextTokenizer, examples: impl Into<Examples>) -> Result<Self> {
        let source = Source::new(examples.into())?;
        Ok(Self { tokenizer, source, prompts: Prompts::default() })
    }

    /// Puts prompts in front of the texts. The columns of a [`KdProcessing`] are `query` and `documents`.
    ///
    /// # Errors
    /// When a prompt is for a column that is no query and no document.
    pub fn with_prompts(mut self, prompts: Prompts) -> Result<Self> {
        self.source.check_prompts(&prompts)?;
        self.prompts = prompts;
        Ok(self)
    }

    /// The rows that batches are made of.
    pub fn examples(&self) -> Examples {
        match &self.source {
            Source::Texts { data, .. } => data.clone().into(),
            Source::Distillation(data) => data.clone().into(),
        }
    }

    /// Tokenizes the given rows, in the given order.
    ///
    /// # Errors
    /// When there is no such row, or the tokenizer fails.
    pub fn collate(&self, rows: &[usize]) -> Result<Batch> {
        let texts = self.source.texts(rows, &self.prompts)?;
        let has_scores = !matches!(self.source, Source::Texts { scores: None, .. });
        Ok(Batch {
            queries: self.tokenizer.tokenize(&texts.queries, Kind::Query)?,
            documents: self.tokenizer.tokenize(&texts.documents, Kind::Document)?,
            scores: has_scores.then_some(texts.scores),
        })
    }
}

impl Source {
    fn new(examples: Examples) -> Result<Self> {
        match examples {
            Examples::Texts(data) => {
                let columns = Columns::of(&data)?;
                let scores = columns.label().filter(|&label| {
                    let kind = &data.table().columns()[label].kind;
                    matches!(kind, ColumnKind::List(Items::Numbers))
                });
                let source = Source::Texts { data, columns, scores };
                source.check_lists()?;
                Ok(source)
            }
            Examples::Distillation(data) => {
                data.check()?;
                Ok(Source::Distillation(data))
            }
        }
    }

    /// Whether every row has as many documents as the first, and as many scores, where lists leave that open.
    fn check_lists(&self) -> Result<()> {
        let Source::Texts { data, columns, scores } = self else {
            return Ok(());
        };
        if scores.is_none() && !columns.documents().iter().any(|&column| columns.is_list(column)) {
            return Ok(());
        }
        let mut first = None;
        for row in 0..data.len() {
            let problem = |problem: String| Error::Example { place: data.place(row), problem };
            let mut documents = 0;
            for &column in columns.documents() {
                documents += if columns.is_list(column) { texts_of_list(data, row, column)?.len() } else { 1 };
            }
            let expected = *first.get_or_insert(documents);
            if documents != expected || documents == 0 {
                let expected = expected.max(1);
                return Err(problem(format!(
                    "{documents} documents, but the first row has {expected}; expected as many in every row, at least one"
                )));
            }
            let Some(column) = *scores else { continue };
            let (scores, name) = (scores_of_list(data, row, column)?, data.columns()[column]);
            if scores.len() != documents {
                let found = scores.len();
                return Err(problem(format!(
                    "{documents} documents but {found} {name}; expected a number for each document"
                )));
            }
            if let Some(score) = scores.iter().find(|score| !score.is_finite()) {
                return Err(problem(format!("column \"{name}\" holds {score}; expected finite numbers")));
            }
        }
        Ok(())
    }

    fn check_prompts(&self, prompts: &Prompts) -> Result<()> {
        match self {
            Source::Texts { data, columns, .. } => {
                let names = data.columns();
                let texts = std::iter::once(columns.query()).chain(columns.documents().iter().copied());
                prompts.check(&data.origin(), &texts.map(|column| names[column]).collect::<Vec<_>>())
            }
            Source::Distillation(data) => {
                let [train, ..] = data.tables();
                prompts.check(&train.origin(), &[KdProcessing::QUERY, KdProcessing::DOCUMENTS])
            }
        }
    }

    fn texts(&self, rows: &[usize], prompts: &Prompts) -> Result<Texts<'_>> {
        let mut texts = Texts::default();
        match self {
            Source::Texts { data, columns, scores } => {
                let names = data.columns();
                let prompt = |column: usize| prompts.of(names[column]);
                for &row in rows {
                    let query = columns.query();
                    texts.queries.push(prompted(prompt(query), data.text(row, query)?.into()));
                    for &column in columns.documents() {
                        if columns.is_list(column) {
                            let list = texts_of_list(data, row, column)?.into_iter();
                            texts.documents.extend(list.map(|text| prompted(prompt(column), text)));
                        } else {
                            texts.documents.push(prompted(prompt(column), data.text(row, column)?.into()));
                        }
                    }
                    if let Some(scores) = *scores {
                        texts.scores.extend(scores_of_list(data, row, scores)?);
                    }
                }
            }
            Source::Distillation(data) => {
                let (query, document) = (prompts.of(KdProcessing::QUERY), prompts.of(KdProcessing::DOCUMENTS));
                for &row in rows {
                    texts.queries.push(prompted(query, data.query(row)?.into()));
                    let documents = data.documents(row)?.into_iter();
                    texts.documents.extend(documents.map(|text| prompted(document, text.into())));
                    texts.scores.extend(data.scores(row)?);
                }
            }
        }
        Ok(texts)
    }
}

fn prompted<'a>(prompt: &str, text: Cow<'a, str>) -> Cow<'a, str> {
    if prompt.is_empty() { text } else { format!("{prompt}{text}").into() }
}

/// The scores in a list of numbers.
fn scores_of_list(data: &Dataset, row: usize, column: usize) -> Result<Vec<f32>> {
    let scores = data.list(row, column)?.into_floats().unwrap_or_default();
    Ok(scores.into_iter().map(|score| score as f32).collect())
}

#[cfg(test)]
mod tests;
