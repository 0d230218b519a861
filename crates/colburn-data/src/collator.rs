//! The collator turns rows into the tokens of a batch. Queries and documents are each tokenized in one call, in parallel
//! inside the tokenizer. It pads nothing and makes no tensor, so batches can be prepared on any thread.

use std::borrow::Cow;

use colburn_model::{Kind, TextTokenizer, TokenBatch};

use crate::columns::Columns;
use crate::dataset::Dataset;
use crate::distillation::KdProcessing;
use crate::error::{Error, Result};
use crate::examples::{Examples, texts_of_list};
use crate::prompts::Prompts;
use crate::table::{ColumnKind, ListItems};

/// The tokens of some rows.
#[derive(Clone, Debug, PartialEq)]
pub struct Batch {
    /// One query a row.
    pub queries: TokenBatch,
    /// The documents of the first row (its positive, then its negatives), then those of the second row, and so on. All rows
    /// have the same number of documents.
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
    input: CollatorInput,
    prompts: Prompts,
}

#[derive(Clone)]
enum CollatorInput {
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
    /// A collator for these rows. Data with lists is read once, so that a bad list is found before the run.
    ///
    /// # Errors
    /// When the columns have no roles, see [`Columns::of`]; when a row with lists has another number of documents than the
    /// first row, has no documents, or lacks a finite score for a document; and as [`KdProcessing::check`].
    pub fn new(tokenizer: TextTokenizer, examples: impl Into<Examples>) -> Result<Self> {
        let input = CollatorInput::new(examples.into())?;
        Ok(Self { tokenizer, input, prompts: Prompts::default() })
    }

    /// Puts prompts in front of the texts. The columns of a [`KdProcessing`] are `query` and `documents`.
    ///
    /// # Errors
    /// When a prompt is for a column that is neither the query nor a document.
    pub fn with_prompts(mut self, prompts: Prompts) -> Result<Self> {
        self.input.check_prompts(&prompts)?;
        self.prompts = prompts;
        Ok(self)
    }

    /// The rows of the batches.
    pub fn examples(&self) -> Examples {
        match &self.input {
            CollatorInput::Texts { data, .. } => data.clone().into(),
            CollatorInput::Distillation(data) => data.clone().into(),
        }
    }

    /// Tokenizes the given rows, in the given order.
    ///
    /// # Errors
    /// When there is no such row, or the tokenizer fails.
    pub fn collate(&self, rows: &[usize]) -> Result<Batch> {
        let texts = self.input.texts(rows, &self.prompts)?;
        let has_scores = !matches!(self.input, CollatorInput::Texts { scores: None, .. });
        Ok(Batch {
            queries: self.tokenizer.tokenize(&texts.queries, Kind::Query)?,
            documents: self.tokenizer.tokenize(&texts.documents, Kind::Document)?,
            scores: has_scores.then_some(texts.scores),
        })
    }
}

impl CollatorInput {
    fn new(examples: Examples) -> Result<Self> {
        match examples {
            Examples::Texts(data) => {
                let columns = Columns::of(&data)?;
                let scores = columns.label().filter(|&label| {
                    let kind = &data.table().columns()[label].kind;
                    matches!(kind, ColumnKind::List(ListItems::Numbers))
                });
                let input = CollatorInput::Texts { data, columns, scores };
                input.check_lists()?;
                Ok(input)
            }
            Examples::Distillation(data) => {
                data.check()?;
                Ok(CollatorInput::Distillation(data))
            }
        }
    }

    /// Checks data with lists: every row has as many documents as the first, and a finite score for each document.
    fn check_lists(&self) -> Result<()> {
        let CollatorInput::Texts { data, columns, scores } = self else {
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
            CollatorInput::Texts { data, columns, .. } => {
                let names = data.columns();
                let texts = std::iter::once(columns.query()).chain(columns.documents().iter().copied());
                prompts.check(&data.origin(), &texts.map(|column| names[column]).collect::<Vec<_>>())
            }
            CollatorInput::Distillation(data) => {
                let [train, ..] = data.tables();
                prompts.check(&train.origin(), &[KdProcessing::QUERY, KdProcessing::DOCUMENTS])
            }
        }
    }

    fn texts(&self, rows: &[usize], prompts: &Prompts) -> Result<Texts<'_>> {
        let mut texts = Texts::default();
        match self {
            CollatorInput::Texts { data, columns, scores } => {
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
            CollatorInput::Distillation(data) => {
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
mod tests {
    use super::*;

    fn triplets() -> Dataset {
        let rows =
            (0..4).map(|i| ["a query", "its positive", "a negative", "one more"].map(|t| format!("{t} {i}")).to_vec());
        Dataset::from_rows(&["query", "positive", "negative_1", "negative_2"], rows).unwrap()
    }

    fn distillation() -> KdProcessing {
        let table = |columns: &[&str], rows: &[&[&str]]| {
            Dataset::from_rows(columns, rows.iter().map(|row| row.iter().map(|text| (*text).to_owned()).collect()))
                .unwrap()
        };
        let train =
            table(&["query_id", "document_ids", "scores"], &[&["1", "[1, 2]", "[0.5, 1]"], &["2", "[3, 2]", "[2, 3]"]]);
        let queries = table(&["query_id", "text"], &[&["1", "first"], &["2", "second"]]);
        let documents = table(&["document_id", "text"], &[&["1", "one"], &["2", "two"], &["3", "three"]]);
        KdProcessing::new(train, queries, documents).unwrap()
    }

    fn json(lines: &str) -> Dataset {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rows.jsonl");
        std::fs::write(&path, lines).unwrap();
        Dataset::load(&path).unwrap()
    }

    fn texts(
        examples: impl Into<Examples>,
        rows: &[usize],
        prompts: impl Into<Prompts>,
    ) -> (Vec<String>, Vec<String>, Vec<f32>) {
        let input = CollatorInput::new(examples.into()).unwrap();
        let prompts = prompts.into();
        input.check_prompts(&prompts).unwrap();
        let texts = input.texts(rows, &prompts).unwrap();
        let owned = |texts: Vec<Cow<str>>| texts.into_iter().map(Cow::into_owned).collect();
        (owned(texts.queries), owned(texts.documents), texts.scores)
    }

    #[test]
    fn documents_come_row_by_row() {
        let (queries, documents, scores) = texts(triplets(), &[2, 0], "");
        assert_eq!(queries, ["a query 2", "a query 0"]);
        let expected = ["its positive 2", "a negative 2", "one more 2", "its positive 0", "a negative 0", "one more 0"];
        assert_eq!(documents, expected);
        assert!(scores.is_empty());
        let input = CollatorInput::new(triplets().into()).unwrap();
        assert!(input.texts(&[0, 4], &Prompts::default()).is_err());
        assert!(input.texts(&[], &Prompts::default()).unwrap().documents.is_empty());
    }

    #[test]
    fn lists_stand_in_the_place_of_their_column() {
        let data = json(
            "{\"query\": \"q0\", \"positive\": \"p0\", \"negatives\": [\"a\", \"b\"], \"last\": \"z\", \"scores\": [4, 3, 2, 1.5]}\n\
             {\"query\": \"q1\", \"positive\": \"p1\", \"negatives\": [\"c\", \"d\"], \"last\": \"y\", \"scores\": [8, 7, 6, 5]}\n",
        );
        let (queries, documents, scores) = texts(data.clone(), &[1, 0], [("negatives", "- "), ("query", "? ")]);
        assert_eq!(queries, ["? q1", "? q0"]);
        assert_eq!(documents, ["p1", "- c", "- d", "y", "p0", "- a", "- b", "z"]);
        assert_eq!(scores, [8.0, 7.0, 6.0, 5.0, 4.0, 3.0, 2.0, 1.5]);
    }

    #[test]
    fn rows_with_lists_that_do_not_fit_are_refused_at_once() {
        let first = "{\"query\": \"q\", \"documents\": [\"a\", \"b\"], \"label\": [1, 2]}\n";
        for (line, expected) in [
            (
                "{\"query\": \"q\", \"documents\": [\"a\"], \"label\": [1]}",
                "rows.jsonl: row 1 (counted from 0): 1 documents, but the first row has 2; expected as many in every row, at least one",
            ),
            ("{\"query\": \"q\", \"documents\": [], \"label\": []}", "0 documents, but the first row has 2"),
            (
                "{\"query\": \"q\", \"documents\": [\"a\", \"b\"], \"label\": [1]}",
                "2 documents but 1 label; expected a number for each document",
            ),
            (
                "{\"query\": \"q\", \"documents\": [\"a\", \"b\"], \"label\": [1e39, 1]}",
                "column \"label\" holds inf; expected finite numbers",
            ),
            (
                "{\"query\": \"q\", \"documents\": null, \"label\": [1, 2]}",
                "column \"documents\": not a list of numbers or texts (null)",
            ),
        ] {
            let message = CollatorInput::new(json(&format!("{first}{line}")).into()).err().unwrap().to_string();
            assert!(
                message.contains(expected) && message.contains("row 1 (counted"),
                "{message}\nexpected: {expected}"
            );
        }
    }

    #[test]
    fn a_label_that_is_one_number_is_no_score_of_documents() {
        let data = json("{\"query\": \"q\", \"positive\": \"p\", \"label\": 1, \"scores\": [5]}\n");
        assert!(matches!(CollatorInput::new(data.into()).unwrap(), CollatorInput::Texts { scores: None, .. }));
    }

    #[test]
    fn a_distillation_has_documents_and_scores_row_by_row() {
        let (queries, documents, scores) = texts(distillation(), &[1, 0, 1], [("documents", "d: ")]);
        assert_eq!(queries, ["second", "first", "second"]);
        assert_eq!(documents, ["d: three", "d: two", "d: one", "d: two", "d: three", "d: two"]);
        assert_eq!(scores, [2.0, 3.0, 0.5, 1.0, 2.0, 3.0]);
        let (queries, documents, _) = texts(distillation(), &[0], "> ");
        assert_eq!((queries, documents), (vec!["> first".to_owned()], vec!["> one".to_owned(), "> two".to_owned()]));
    }

    #[test]
    fn prompts_are_for_columns_that_are_texts() {
        for (examples, column, expected) in [
            (
                Examples::from(triplets()),
                "negative",
                "prompts: rows in memory has no text column \"negative\"; the nearest is \"negative_1\"; expected one of \"query\", \"positive\", \"negative_1\", \"negative_2\"",
            ),
            (
                distillation().into(),
                "document",
                "has no text column \"document\"; the nearest is \"documents\"; expected one of \"query\", \"documents\"",
            ),
            (distillation().into(), "text", "has no text column \"text\"; expected one of \"query\", \"documents\""),
        ] {
            let message =
                CollatorInput::new(examples).unwrap().check_prompts(&[(column, "x")].into()).unwrap_err().to_string();
            assert!(message.contains(expected), "{message}");
        }
    }

    #[test]
    fn a_distillation_is_checked_before_the_first_batch() {
        let message = CollatorInput::new(distillation().n_ways(3).unwrap().into()).err().unwrap().to_string();
        assert!(message.contains("query_id 1: 2 document_ids where n_ways = 3"), "{message}");
    }

    #[cfg(feature = "flex")]
    #[test]
    fn a_batch_holds_the_tokens_of_queries_and_documents() {
        use colburn_model::{ColBert, ColBertOptions};

        let device = colburn_ops::device::by_name(Some("flex")).unwrap();
        let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/data/bert-small");
        let model = ColBert::from_config(directory, &ColBertOptions::default(), &device).unwrap();
        let tokenizer = model.tokenizer();
        let data = triplets();
        let collator = Collator::new(tokenizer.clone(), data.clone()).unwrap();
        assert_eq!(collator.examples().len(), 4);

        let batch = collator.collate(&[2, 0]).unwrap();
        assert_eq!((batch.queries.len(), batch.documents.len(), &batch.scores), (2, 6, &None));
        assert_eq!(batch.queries, tokenizer.tokenize(&["a query 2", "a query 0"], Kind::Query).unwrap());
        let fourth = tokenizer.tokenize(&["its positive 0"], Kind::Document).unwrap();
        assert_eq!(batch.documents.ids[batch.documents.spans.range(3)], fourth.ids);
        let selected = Collator::new(tokenizer.clone(), data.select(&[2, 0]).unwrap()).unwrap();
        assert_eq!(selected.collate(&[0, 1]).unwrap(), batch);
        assert!(collator.collate(&[4]).unwrap_err().to_string().starts_with("row 4 of a data set of 4 rows"));

        let prompted = collator.with_prompts([("query", "find: ")].into()).unwrap().collate(&[0]).unwrap();
        assert_eq!(prompted.queries, tokenizer.tokenize(&["find: a query 0"], Kind::Query).unwrap());

        let collator = Collator::new(tokenizer.clone(), distillation()).unwrap();
        let batch = collator.collate(&[1]).unwrap();
        assert_eq!(batch.scores, Some(vec![2.0, 3.0]));
        assert_eq!(batch.documents, tokenizer.tokenize(&["three", "two"], Kind::Document).unwrap());
        assert!(collator.with_prompts([("positive", "x")].into()).is_err());
    }
}
