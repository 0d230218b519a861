//! The collator turns rows into the tokens of a batch. Queries and documents are each tokenized in one call, in parallel
//! inside the tokenizer. It pads nothing and makes no tensor, so batches can be prepared on any thread.

use std::borrow::Cow;
use std::sync::Arc;

use colburn_model::{Kind, TextTokenizer, TokenBatch};

use crate::distillation::KdProcessing;
use crate::error::Result;
use crate::examples::Examples;
use crate::prompts::Prompts;
use crate::roles::columns::Columns;
use crate::roles::finder::Scores;
use crate::roles::rows::TextRows;
use crate::roles::texts::{Document, RowTexts};
use crate::stream::{StreamBatch, StreamRows};

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
/// Rows of texts have the roles of [`Columns`]; where their label is a list, or they have columns of scores, these are a teacher's scores
/// of the documents.
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
    seed: u64,
}

#[derive(Clone)]
enum CollatorInput {
    /// The rows of a stream are those of its head.
    Texts {
        rows: TextRows,
        columns: Arc<Columns>,
        stream: Option<StreamRows>,
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
    /// A collator for these rows. They are read once, so that a bad row is found before the run.
    ///
    /// # Errors
    /// As [`TextRows::new`] and [`KdProcessing::check`].
    pub fn new(tokenizer: TextTokenizer, examples: impl Into<Examples>) -> Result<Self> {
        let input = CollatorInput::new(examples.into())?;
        Ok(Self { tokenizer, input, prompts: Prompts::default(), seed: 0 })
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
            CollatorInput::Texts { stream: Some(stream), .. } => stream.clone().into(),
            CollatorInput::Texts { rows, .. } => rows.clone().into(),
            CollatorInput::Distillation(data) => data.clone().into(),
        }
    }

    /// The seed from which the negatives of a row are drawn where it has more than `n_negatives`; 0 if not given.
    pub fn with_seed(self, seed: u64) -> Self {
        Self { seed, ..self }
    }

    /// Tokenizes the given rows, in the given order, as in the first epoch.
    ///
    /// # Errors
    /// When there is no such row, or the tokenizer fails.
    pub fn collate(&self, rows: &[usize]) -> Result<Batch> {
        self.collate_in_epoch(rows, 0)
    }

    /// Tokenizes the given rows, in the given order. The negatives that are drawn follow from the seed, the epoch and the row alone, so that
    /// a run that is resumed draws the same.
    ///
    /// # Errors
    /// When there is no such row, or the tokenizer fails.
    pub fn collate_in_epoch(&self, rows: &[usize], epoch: u64) -> Result<Batch> {
        self.tokenize(&self.input.texts(rows, &self.prompts, self.seed, epoch)?)
    }

    /// Tokenizes a batch of a stream. The negatives that are drawn follow from the seed, the pass and the number of the row.
    ///
    /// # Errors
    /// When the tokenizer fails, or the collator was made for rows of another kind.
    pub fn collate_stream(&self, batch: &StreamBatch) -> Result<Batch> {
        self.tokenize(&self.input.texts_of_stream(batch, &self.prompts, self.seed)?)
    }

    fn tokenize(&self, texts: &Texts<'_>) -> Result<Batch> {
        let has_scores = match &self.input {
            CollatorInput::Texts { columns, .. } => *columns.scores() != Scores::None,
            CollatorInput::Distillation(data) => data.has_scores(),
        };
        Ok(Batch {
            queries: self.tokenizer.tokenize(&texts.queries, Kind::Query)?,
            documents: self.tokenizer.tokenize(&texts.documents, Kind::Document)?,
            scores: has_scores.then(|| texts.scores.clone()),
        })
    }
}

impl CollatorInput {
    fn new(examples: Examples) -> Result<Self> {
        match examples {
            Examples::Texts(rows) => {
                let rows = rows.checked()?;
                let columns = rows.columns()?;
                Ok(CollatorInput::Texts { rows, columns, stream: None })
            }
            Examples::Stream(stream) => {
                let (rows, columns) = (stream.head().clone(), stream.columns().clone());
                Ok(CollatorInput::Texts { rows, columns, stream: Some(stream) })
            }
            Examples::Distillation(data) => {
                data.check()?;
                Ok(CollatorInput::Distillation(data))
            }
        }
    }

    fn check_prompts(&self, prompts: &Prompts) -> Result<()> {
        match self {
            CollatorInput::Texts { rows, columns, .. } => {
                let names = rows.dataset().columns();
                let texts = std::iter::once(columns.query()).chain(columns.documents().iter().copied());
                prompts.check(&rows.dataset().origin(), &texts.map(|column| names[column]).collect::<Vec<_>>())
            }
            CollatorInput::Distillation(data) => {
                let [train, ..] = data.tables();
                prompts.check(&train.origin(), &[KdProcessing::QUERY, KdProcessing::DOCUMENTS])
            }
        }
    }

    fn texts(&self, rows: &[usize], prompts: &Prompts, seed: u64, epoch: u64) -> Result<Texts<'_>> {
        let mut texts = Texts::default();
        match self {
            CollatorInput::Texts { rows: all, columns, .. } => {
                let names = all.dataset().columns();
                for &row in rows {
                    texts.add(all.texts(row, columns, seed, epoch)?, columns, |column| prompts.of(names[column]));
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

    fn texts_of_stream<'a>(&self, batch: &'a StreamBatch, prompts: &Prompts, seed: u64) -> Result<Texts<'a>> {
        let mut texts = Texts::default();
        if let CollatorInput::Texts { rows, columns, .. } = self {
            let names = rows.dataset().columns();
            for row in &batch.rows {
                let (chunk, within) = row.place();
                let found = chunk.texts_of(within, columns, (seed, batch.pass(), row.number))?;
                texts.add(found, columns, |column| prompts.of(names[column]));
            }
        }
        Ok(texts)
    }
}

impl<'a> Texts<'a> {
    /// Adds a row of texts, each with the prompt of its column.
    fn add<'p>(&mut self, row: RowTexts<'a>, columns: &Columns, prompt: impl Fn(usize) -> &'p str) {
        self.queries.push(prompted(prompt(columns.query()), row.query));
        for Document { column, text, score } in row.documents {
            self.documents.push(prompted(prompt(column), text));
            self.scores.extend(score);
        }
    }
}

fn prompted<'a>(prompt: &str, text: Cow<'a, str>) -> Cow<'a, str> {
    if prompt.is_empty() { text } else { format!("{prompt}{text}").into() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::Dataset;

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
        let texts = input.texts(rows, &prompts, 0, 0).unwrap();
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
        assert!(input.texts(&[0, 4], &Prompts::default(), 0, 0).is_err());
        assert!(input.texts(&[], &Prompts::default(), 0, 0).unwrap().documents.is_empty());
    }

    #[test]
    fn lists_stand_in_the_place_of_their_column() {
        let data = json(
            "{\"query\": \"q0\", \"positive\": \"p0\", \"negatives\": [\"a\", \"b\"], \"documents\": [\"z\"], \"scores\": [4, 3, 2, 1.5]}\n\
             {\"query\": \"q1\", \"positive\": \"p1\", \"negatives\": [\"c\", \"d\"], \"documents\": [\"y\"], \"scores\": [8, 7, 6, 5]}\n",
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
                "column \"label\" holds 1e39; expected finite numbers of 32 bits",
            ),
            (
                "{\"query\": \"q\", \"documents\": null, \"label\": [1, 2]}",
                "column \"documents\" is empty; expected a text in every row, or missing = \"skip\" to leave such rows out",
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
        let CollatorInput::Texts { columns, .. } = CollatorInput::new(data.into()).unwrap() else { panic!() };
        assert_eq!(columns.scores(), &Scores::None);
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
