//! NanoBEIR's layout, BEIR's, and files of each format.

use super::*;

fn ids(collection: &Collection) -> (Vec<String>, Vec<String>) {
    let queries = (0..collection.queries()).map(|query| collection.query_id(query).unwrap().into_owned());
    let documents = (0..collection.documents()).map(|document| collection.document_id(document).unwrap().into_owned());
    (queries.collect(), documents.collect())
}

#[test]
fn nano_beirs_layout() {
    let collection = Collection::from_nano_dir(fixture("first")).unwrap();
    assert_eq!((collection.name(), collection.queries(), collection.documents()), ("NanoFirst", 8, 61));
    let (queries, documents) = ids(&collection);
    assert_eq!(queries[..2], ["s120", "s158"]);
    assert!(documents.contains(&"punctuation".to_owned()) && !documents.contains(&"empty".to_owned()));
    // Nobody judged the last query; the empty document stays among what is relevant, though nobody can find it.
    assert!(!queries.contains(&"s1910".to_owned()));
    assert_eq!((collection.judged(1), collection.judged(0)), (&[1.0; 2][..], &[1.0; 4][..]));
    let found = (0..61).filter(|&document| collection.grade(1, document) > 0.0).map(|at| documents[at].as_str());
    assert_eq!(found.collect::<Vec<_>>(), ["Amazon_rainforest-3"]);
    assert!(collection.query(0).unwrap().starts_with("Which nation contains the majority"));
    assert!(collection.query(8).is_err() && collection.document(61).is_err());
}

#[test]
fn only_the_files_of_a_split_are_read() {
    let folder = tempfile::tempdir().unwrap();
    copy(&fixture("first"), folder.path());
    for part in ["corpus", "queries", "qrels"] {
        fs::copy(fixture("second").join(part).join(FILE), folder.path().join(part).join("test.parquet")).unwrap();
    }
    let first = Collection::from_nano_dir(folder.path()).unwrap();
    assert_eq!((first.queries(), first.documents()), (8, 61));
    let second = Collection::from_nano_split(folder.path(), "test").unwrap();
    assert_eq!((second.name(), second.queries(), second.documents()), ("NanoTest", 5, 30));
    let message = Collection::from_nano_split(folder.path(), "tes").unwrap_err().to_string();
    let expected =
        "corpus: no split \"tes\"; found: test.parquet, train-00000-of-00001.parquet; tes-*.parquet is expected";
    assert!(message.ends_with(expected), "{message}");

    // Shards of one split beside another: both collections in one.
    for part in ["corpus", "queries", "qrels"] {
        let [part, shard] = [folder.path().join(part), folder.path().join(part).join("train-00001-of-00001.parquet")];
        fs::copy(part.join("test.parquet"), shard).unwrap();
    }
    let both = Collection::from_nano_dir(folder.path()).unwrap();
    assert_eq!((both.queries(), both.documents()), (13, 91));
    fs::copy(folder.path().join("corpus").join(FILE), folder.path().join("corpus/train.parquet")).unwrap();
    let message = Collection::from_nano_dir(folder.path()).unwrap_err().to_string();
    assert!(message.ends_with("corpus: both train.parquet and train-*.parquet; only one of them is expected"));
}

#[test]
fn a_repeated_id_in_a_shard_is_named() {
    let folder = tempfile::tempdir().unwrap();
    copy(&fixture("first"), folder.path());
    let corpus = folder.path().join("corpus");
    fs::copy(corpus.join(FILE), corpus.join("train-00001-of-00002.parquet")).unwrap();
    let message = Collection::from_nano_dir(folder.path()).unwrap_err().to_string();
    assert!(
        message.contains("(2 files): row ") && message.contains(" of all files (counted from 0): id \""),
        "{message}"
    );
}

#[test]
fn one_file_of_any_name_is_the_split_unless_it_says_otherwise() {
    let folder = tempfile::tempdir().unwrap();
    copy(&fixture("second"), folder.path());
    let corpus = folder.path().join("corpus");
    fs::rename(corpus.join(FILE), corpus.join("0000.parquet")).unwrap();
    assert_eq!(Collection::from_nano_dir(folder.path()).unwrap().documents(), 30);
    fs::rename(corpus.join("0000.parquet"), corpus.join("test-0.parquet")).unwrap();
    let message = Collection::from_nano_dir(folder.path()).unwrap_err().to_string();
    assert!(message.ends_with("no split \"train\"; found: test-0.parquet; train-*.parquet is expected"), "{message}");
    fs::remove_file(corpus.join("test-0.parquet")).unwrap();
    let message = Collection::from_nano_dir(folder.path()).unwrap_err().to_string();
    let expected = "corpus: no Parquet file; train-00000-of-00001.parquet or train.parquet is expected";
    assert!(message.ends_with(expected), "{message}");
}

#[test]
fn a_folder_that_is_no_collection_says_what_it_could_be() {
    let expected = "no folder \"corpus\"; folders corpus, queries and qrels with Parquet files are expected";
    let message = |dir: &Path| Collection::from_nano_dir(dir).unwrap_err().to_string();
    assert_eq!(message(Path::new("absent/scifact")), format!("absent/scifact: {expected}"));
    let found = message(&fixture(""));
    assert!(found.ends_with(&format!("{expected}, as in the folders first, second inside")), "{found}");
    let beir = folder(&[("corpus.jsonl", CORPUS)]);
    assert!(message(beir.path()).ends_with("; with corpus.jsonl this is a directory in BEIR's layout"));
}

#[test]
fn beirs_layout() {
    let corpus = "{\"_id\": \"a\", \"title\": \" Title\", \"text\": \"text \", \"metadata\": {}}\n\
                  {\"_id\": \"b\", \"title\": \"\", \"text\": \"only text\\u001f\", \"metadata\": {}}\n\
                  {\"_id\": \"c\", \"title\": \"\", \"text\": \"\", \"metadata\": {}}\n";
    let queries = "{\"_id\": \"1\", \"text\": \" one \"}\n{\"_id\": \"2\", \"text\": \"two\"}\n{\"_id\": \"3\", \"text\": \"three\"}\n";
    let beir = folder(&[
        ("scifact/corpus.jsonl", corpus),
        ("scifact/queries.jsonl", queries),
        ("scifact/qrels/test.tsv", "query-id\tcorpus-id\tscore\n1\ta\t2\n1\tb\t0\n2\tb\t0\n"),
        ("scifact/qrels/dev.tsv", "query-id\tcorpus-id\tscore\n3\tc\t1\n"),
    ]);
    let dir = beir.path().join("scifact");
    let test = Collection::from_beir_dir(&dir, "test").unwrap();
    // A document that is judged not to be relevant is not; the second query is left without one. An empty document stays.
    assert_eq!((test.name(), ids(&test).0, ids(&test).1.len()), ("scifact", vec!["1".to_owned()], 3));
    assert_eq!((test.judged(0), test.grade(0, 0), test.grade(0, 1)), (&[2.0][..], 2.0, 0.0));
    let texts = [0, 1, 2].map(|document| test.document(document).unwrap().into_owned());
    assert_eq!((texts, test.query(0).unwrap()), (["Title text", "only text", ""].map(String::from), " one ".into()));
    assert_eq!(ids(&Collection::from_beir_dir(&dir, "dev").unwrap()).0, ["3"]);

    let message = |dir: &Path, split: &str| Collection::from_beir_dir(dir, split).unwrap_err().to_string();
    let found = message(&dir, "train");
    assert!(found.ends_with("qrels: no split \"train\": train.tsv is expected; the splits are: dev, test"), "{found}");
    fs::remove_file(dir.join("queries.jsonl")).unwrap();
    let found = message(&dir, "test");
    assert!(found.ends_with("no file \"queries.jsonl\"; corpus.jsonl, queries.jsonl and qrels/SPLIT.tsv are expected"));
    assert!(message(&fixture("first"), "test").ends_with("with a folder \"corpus\" this is NanoBEIR's layout"));
}

#[test]
fn beirs_layout_with_files_of_other_formats() {
    let files = [
        ("c/corpus.tsv", "docid\ttitle\ttext\na\tTitle\ttext\nb\t\tonly text\n"),
        ("c/queries.json", "[{\"qid\": 1, \"query\": \"one\"}]"),
        ("c/qrels/test.trec", "1 0 a 2\n"),
        ("c/qrels/dev.jsonl", "{\"qid\": 1, \"docid\": \"b\", \"relevance\": 1}\n"),
        ("c/README.md", "about it"),
    ];
    let beir = folder(&files);
    let dir = beir.path().join("c");
    let test = Collection::from_beir_dir(&dir, "test").unwrap();
    assert_eq!((test.document(0).unwrap(), test.document(1).unwrap()), ("Title text".into(), "only text".into()));
    assert_eq!((test.grade(0, 0), Collection::from_beir_dir(&dir, "dev").unwrap().grade(0, 1)), (2.0, 1.0));
    let message = |split: &str| Collection::from_beir_dir(&dir, split).unwrap_err().to_string();
    let found = message("train");
    assert!(found.ends_with("qrels: no split \"train\": train.tsv is expected; the splits are: dev, test"), "{found}");
    fs::write(dir.join("corpus.csv"), "").unwrap();
    let found = message("test");
    assert!(
        found.ends_with("c: several files could be it: corpus.csv, corpus.tsv; only one of them is expected"),
        "{found}"
    );
    // The usual name goes first.
    fs::write(dir.join("corpus.jsonl"), CORPUS).unwrap();
    assert_eq!(Collection::from_beir_dir(&dir, "test").unwrap().document(0).unwrap(), "A");
}

#[test]
fn lines_of_text_have_their_numbers_as_ids() {
    let files = folder(&[("queries.txt", "zero\none\ntwo\n"), ("corpus.txt", "A\nB\n"), ("qrels.tsv", "2\t1\t1\n")]);
    let path = |name: &str| files.path().join(name);
    let found = Collection::from_files("", path("queries.txt"), path("corpus.txt"), path("qrels.tsv")).unwrap();
    assert_eq!((found.query_id(0).unwrap(), found.query(0).unwrap()), ("2".into(), "two".into()));
    assert_eq!((found.document_id(1).unwrap(), found.grade(0, 1)), ("1".into(), 1.0));
    assert!(found.query_id(1).is_err() && found.document_id(2).is_err());
}

#[test]
fn files_of_any_format_may_be_mixed() {
    let files = folder(&[
        ("queries.csv", "id,text\n7,seven\n8,eight\n"),
        ("corpus.jsonl", "{\"_id\": 10, \"text\": \"ten\"}\n{\"_id\": 9007199254740993, \"text\": \"large\"}\n"),
        ("lists.jsonl", "{\"query-id\": \"7\", \"corpus-id\": [10, 9007199254740993], \"score\": [1, 3]}\n"),
        ("graded.csv", "query-id,corpus-id,score\n8,10,0.5\n7,10,1\n7,10,1\n"),
        ("qrels.tsv", "query-id\tcorpus-id\tscore\n8\t9007199254740993\t1\n"),
    ]);
    let path = |name: &str| files.path().join(name);
    let load =
        |qrels: &str| Collection::from_files("", path("queries.csv"), path("corpus.jsonl"), path(qrels)).unwrap();
    let lists = load("lists.jsonl");
    assert_eq!((lists.queries(), lists.grade(0, 0), lists.grade(0, 1)), (1, 1.0, 3.0));
    let graded = load("graded.csv");
    assert_eq!((graded.judged(0), graded.grade(1, 0)), (&[1.0][..], 0.5));
    assert_eq!(load("qrels.tsv").grade(0, 1), 1.0);
    assert!(graded.description().starts_with("collection: 2 queries, 2 documents, 2 relevant"));
}
