//! What stands in a batch, and which rows are refused before there is one.

use super::*;

fn triplets() -> Dataset {
    let rows =
        (0..4).map(|i| ["a query", "its positive", "a negative", "one more"].map(|t| format!("{t} {i}")).to_vec());
    Dataset::from_rows(&["query", "positive", "negative_1", "negative_2"], rows).unwrap()
}

fn distillation() -> KdProcessing {
    let table = |columns: &[&str], rows: &[&[&str]]| {
        Dataset::from_rows(columns, rows.iter().map(|row| row.iter().map(|text| (*text).to_owned()).collect())).unwrap()
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
    let source = Source::new(examples.into()).unwrap();
    let prompts = prompts.into();
    source.check_prompts(&prompts).unwrap();
    let texts = source.texts(rows, &prompts).unwrap();
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
    let source = Source::new(triplets().into()).unwrap();
    assert!(source.texts(&[0, 4], &Prompts::default()).is_err());
    assert!(source.texts(&[], &Prompts::default()).unwrap().documents.is_empty());
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
            "column \"documents\": no list of numbers or texts (null)",
        ),
    ] {
        let message = Source::new(json(&format!("{first}{line}")).into()).err().unwrap().to_string();
        assert!(message.contains(expected) && message.contains("row 1 (counted"), "{message}\nexpected: {expected}");
    }
}

#[test]
fn a_label_that_is_one_number_is_no_score_of_documents() {
    let data = json("{\"query\": \"q\", \"positive\": \"p\", \"label\": 1, \"scores\": [5]}\n");
    assert!(matches!(Source::new(data.into()).unwrap(), Source::Texts { scores: None, .. }));
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
        let message = Source::new(examples).unwrap().check_prompts(&[(column, "x")].into()).unwrap_err().to_string();
        assert!(message.contains(expected), "{message}");
    }
}

#[test]
fn a_distillation_is_checked_before_the_first_batch() {
    let message = Source::new(distillation().n_ways(3).unwrap().into()).err().unwrap().to_string();
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
