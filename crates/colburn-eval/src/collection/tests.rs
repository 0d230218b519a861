//! Loaders and their errors. Layouts are tested beside their messages: each test names the file it spoils.

use std::{
    fs,
    path::{Path, PathBuf},
};

use tempfile::TempDir;

use super::*;

mod layouts;
mod names;

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/retrieval").join(name)
}

/// A folder with these files.
fn folder(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    folder
}

fn copy(from: &Path, to: &Path) {
    for part in ["corpus", "queries", "qrels"] {
        fs::create_dir_all(to.join(part)).unwrap();
        fs::copy(from.join(part).join(FILE), to.join(part).join(FILE)).unwrap();
    }
}

const FILE: &str = "train-00000-of-00001.parquet";

const QUERIES: &str = "{\"_id\": \"q1\", \"text\": \"one\"}\n{\"_id\": \"q2\", \"text\": \"two\"}\n";
const CORPUS: &str = "{\"_id\": \"a\", \"text\": \"A\"}\n{\"_id\": \"b\", \"text\": \"B\"}\n";

/// The message about three files, of which the judgements are in JSON Lines.
fn refused(queries: &str, corpus: &str, qrels: &str) -> String {
    let folder = folder(&[("queries.jsonl", queries), ("corpus.jsonl", corpus), ("qrels.jsonl", qrels)]);
    let [queries, corpus, qrels] =
        ["queries.jsonl", "corpus.jsonl", "qrels.jsonl"].map(|name| folder.path().join(name));
    let message = Collection::from_files("mine", queries, corpus, qrels).unwrap_err().to_string();
    assert!(!message.contains('\n'));
    message.replace(&format!("{}/", folder.path().display()), "")
}

#[test]
fn judgements_and_texts_must_fit_together() {
    let judged =
        |query: &str, document: &str| format!("{{\"query-id\": \"{query}\", \"corpus-id\": \"{document}\"}}\n");
    let good = judged("q1", "a");
    assert_eq!(
        refused(QUERIES, CORPUS, &(good.clone() + &judged("q1", "c"))),
        "qrels.jsonl: row 1 (counted from 0): there is no document with the id \"c\" in corpus.jsonl"
    );
    assert_eq!(
        refused(QUERIES, CORPUS, &(good.clone() + &judged("q9", "a"))),
        "qrels.jsonl: row 1 (counted from 0): there is no query with the id \"q9\" in queries.jsonl"
    );
    let twice = CORPUS.to_owned() + "{\"_id\": \"a\", \"text\": \"C\"}\n";
    assert_eq!(
        refused(QUERIES, &twice, &good),
        "corpus.jsonl: row 2 (counted from 0): id \"a\" is also that of row 0; ids must differ"
    );
    let twice = QUERIES.to_owned() + "{\"_id\": \"q2\", \"text\": \"three\"}\n";
    assert!(refused(&twice, CORPUS, &good).starts_with("queries.jsonl: row 2 (counted from 0): id \"q2\" is also"));
}

#[test]
fn grades_are_numbers_above_0_somewhere() {
    let graded = |grade: &str| format!("{{\"query-id\": \"q1\", \"corpus-id\": \"a\", \"score\": {grade}}}\n");
    let row = "qrels.jsonl: row 0 (counted from 0): ";
    for (grade, expected) in [
        ("\"high\"", format!("{row}the score is \"high\"; a number is expected")),
        ("\"inf\"", format!("{row}the grade is inf; a finite number is expected")),
        ("[1, 2]", format!("{row}2 scores of 1 documents; one for each is expected")),
        ("[\"x\"]", format!("{row}the score is a list of texts; a number is expected")),
        (
            "0",
            format!(
                "queries.jsonl: no query has a relevant document (the first judgement is {}); one with a text and a grade above 0 is expected",
                row.trim_end_matches(": ")
            ),
        ),
    ] {
        assert_eq!(refused(QUERIES, CORPUS, &graded(grade)), expected);
    }
    assert_eq!(
        refused(QUERIES, CORPUS, &(graded("1") + &graded("2"))),
        "qrels.jsonl: row 1 (counted from 0): query \"q1\" and document \"a\" are graded 2 here, but 1 before"
    );
    let missing = graded("1") + "{\"query-id\": \"q2\", \"corpus-id\": \"a\", \"score\": null}\n";
    assert_eq!(
        refused(QUERIES, CORPUS, &missing),
        "qrels.jsonl: row 1 (counted from 0): the score is null or NaN; a number is expected"
    );
}

#[test]
fn columns_are_named_when_they_are_missing() {
    let good = "{\"query-id\": \"q1\", \"corpus-id\": \"a\"}\n";
    assert_eq!(
        refused("{\"key\": 1, \"text\": \"one\"}\n", CORPUS, good),
        "queries.jsonl: 1 rows; key (number), text (text): no column \"_id\" that holds texts or integers"
    );
    assert_eq!(
        refused(QUERIES, "{\"_id\": \"a\", \"text\": 1}\n", good),
        "corpus.jsonl: row 0 (counted from 0): column \"text\" holds the number 1; a text is expected"
    );
    assert_eq!(
        refused(QUERIES, "{\"_id\": \"a\", \"text\": \"A\", \"title\": 1}\n", good),
        "corpus.jsonl: row 0 (counted from 0): column \"title\" holds the number 1; a text is expected"
    );
    assert!(
        refused(QUERIES, CORPUS, "{\"corpus-id\": \"a\"}\n")
            .ends_with("no column \"query-id\" that holds texts or integers")
    );
    assert!(
        refused(QUERIES, CORPUS, "{\"query-id\": \"q1\"}\n")
            .ends_with("no column \"corpus-id\" that holds texts, integers or lists of them")
    );
    assert!(refused("{\"_id\": 0.5, \"text\": \"one\"}\n", CORPUS, good).contains(
        "queries.jsonl: row 0 (counted from 0): column \"_id\" holds the number 0.5; an id is a text or a whole number"
    ));
    assert!(
        refused(QUERIES, CORPUS, "{\"query-id\": \"q1\", \"corpus-id\": [0.5]}\n")
            .ends_with("corpus-id holds numbers with fractions; ids are expected")
    );
}

#[test]
fn titles_may_be_missing_and_ids_floats() {
    let corpus = "{\"_id\": 0.0, \"title\": null, \"text\": \"A \"}\n{\"_id\": 1.0, \"text\": \"B\"}\n{\"_id\": \"2.0\", \"title\": \"T\", \"text\": \"C\"}\n";
    let queries = "{\"_id\": 0.0, \"text\": \"one\"}\n{\"_id\": 1, \"text\": \"two\"}\n";
    let rows = |query: &str, documents: &str| format!("{{\"query-id\": {query}, \"corpus-id\": {documents}}}\n");
    let qrels = [
        ("qrels.tsv", "query-id\tcorpus-id\tscore\n0.0\t0.0\t1\n1\t2\t1\n".to_owned()),
        ("qrels.txt", "0 0 0 1\n1.0 0 2.0 1\n".to_owned()),
        ("qrels.jsonl", rows("0.0", "\"0\"") + &rows("1", "[2.0]")),
        ("qrels.json", "{\"0\": {\"0.0\": 1}, \"1.0\": {\"2\": 1}}".to_owned()),
    ];
    for (name, text) in qrels {
        let folder = folder(&[("queries.jsonl", queries), ("corpus.jsonl", corpus), (name, &text)]);
        let path = |name: &str| folder.path().join(name);
        let found = Collection::from_files("", path("queries.jsonl"), path("corpus.jsonl"), path(name)).unwrap();
        let texts = [0, 1, 2].map(|document| found.document(document).unwrap().into_owned());
        assert_eq!(texts, ["A", "B", "T C"]);
        assert_eq!((found.document_id(0).unwrap(), found.query_id(1).unwrap()), ("0".into(), "1".into()));
        assert_eq!(
            [(0, 0), (0, 2), (1, 0), (1, 2)].map(|(query, document)| found.grade(query, document)),
            [1.0, 0.0, 0.0, 1.0],
            "{name}"
        );
    }
}

#[test]
fn an_exact_id_goes_before_a_whole_number() {
    let corpus = "{\"_id\": \"7\", \"text\": \"A\"}\n{\"_id\": \"7.0\", \"text\": \"B\"}\n";
    let judged = |id: &str| format!("{{\"query-id\": \"q1\", \"corpus-id\": \"{id}\"}}\n");
    for (id, document) in [("7", 0), ("7.0", 1)] {
        let files = folder(&[("queries.jsonl", QUERIES), ("corpus.jsonl", corpus), ("qrels.jsonl", &judged(id))]);
        let path = |name: &str| files.path().join(name);
        let found =
            Collection::from_files("", path("queries.jsonl"), path("corpus.jsonl"), path("qrels.jsonl")).unwrap();
        assert_eq!(found.grade(0, document), 1.0);
    }
    // Either could be meant.
    let message = refused(QUERIES, corpus, &judged("7.00"));
    assert!(message.ends_with("there is no document with the id \"7.00\" in corpus.jsonl"), "{message}");
}

#[test]
fn parts_in_memory_are_checked_as_files_are() {
    let make = |queries: &[(&str, &str)], corpus: &[(&str, &str)], relevance: &[(&str, &str, f64)]| {
        let parts = (queries.iter().copied(), corpus.iter().copied(), relevance.iter().copied());
        Collection::from_parts("", parts.0, parts.1, parts.2).unwrap_err().to_string()
    };
    let (query, document) = ([("q", "query")], [("d", "document")]);
    assert_eq!(make(&query, &[], &[]), "corpus in memory: no rows; at least one (id, text) is expected");
    assert_eq!(make(&[], &document, &[]), "queries in memory: no rows; at least one (id, text) is expected");
    assert_eq!(
        make(&query, &document, &[]),
        "rows in memory: no query has a relevant document; one with a text and a grade above 0 is expected"
    );
    assert_eq!(
        make(&query, &document, &[("q", "e", 1.0)]),
        "judgement 0 in memory (counted from 0): there is no document with the id \"e\" in rows in memory"
    );
    assert_eq!(
        make(&query, &document, &[("q", "d", f64::NAN)]),
        "judgement 0 in memory (counted from 0): the grade is NaN; a finite number is expected"
    );
}

#[test]
fn many_ids_are_found_and_no_other() {
    let documents: Vec<(String, String)> = (0..5000).map(|i| (format!("doc-{i}"), format!("text {i}"))).collect();
    let judged = (0..5000).step_by(7).map(|i| ("q".to_owned(), format!("doc-{i}"), f64::from(i + 1)));
    let queries = [("q".to_owned(), "query".to_owned())];
    let collection = Collection::from_parts("many", queries, documents, judged).unwrap();
    for document in 0..5000 {
        let expected = if document % 7 == 0 { document as f64 + 1.0 } else { 0.0 };
        assert_eq!(collection.grade(0, document), expected);
    }
    assert_eq!(collection.description(), "many: 1 queries, 5000 documents, 715 relevant");
    assert_eq!(format!("{collection:?}"), "Collection(\"many: 1 queries, 5000 documents, 715 relevant\")");
}
