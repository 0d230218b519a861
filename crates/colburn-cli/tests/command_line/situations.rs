//! Files as they lie about: titles that are missing, ids that pandas made floats, MS MARCO's tables, Git LFS pointers, queries in the corpus.

use std::fs;

use colburn::data::Dataset;

use crate::search::found;
use crate::workspace::Workspace;

/// A collection of two queries and three documents in BEIR's layout, of these lines.
fn collection(workspace: &Workspace, corpus: &str, queries: &str, qrels: &str) {
    fs::create_dir_all(workspace.path("beir/qrels")).unwrap();
    workspace.write("beir/corpus.jsonl", corpus);
    workspace.write("beir/queries.jsonl", queries);
    workspace.write("beir/qrels/test.tsv", qrels);
}

fn evaluated(workspace: &Workspace, more: &str) -> serde_json::Value {
    workspace.succeed(&format!("evaluate --model model --beir beir --output results.json {more}"));
    workspace.json("results.json")
}

const CORPUS: &str = "{\"_id\": 0, \"text\": \"the river runs\"}\n{\"_id\": 1, \"text\": \"music\"}\n{\"_id\": 2, \"text\": \"bread\"}\n";
const QUERIES: &str = "{\"_id\": 0, \"text\": \"a river\"}\n{\"_id\": 1, \"text\": \"bread is baked\"}\n";
const QRELS: &str = "query-id\tcorpus-id\tscore\n0\t0\t1\n1\t2\t1\n";

#[test]
fn a_title_that_is_null_or_absent_is_none() {
    let workspace = Workspace::new();
    collection(&workspace, CORPUS, QUERIES, QRELS);
    let expected = evaluated(&workspace, "");
    let search = |corpus: &str| workspace.succeed(&format!("search --model model --query river --corpus {corpus}"));
    let plain = search("beir/corpus.jsonl");
    for (title, second) in
        [("\"title\": null, ", ""), ("", "\"title\": \"\", "), ("\"title\": \"\", ", "\"title\": null, ")]
    {
        let corpus = CORPUS.replacen("\"text\"", &format!("{title}\"text\""), 1).replacen(
            "\"bread\"",
            &format!("\"bread\", {second}\"url\": 5"),
            1,
        );
        collection(&workspace, &corpus, QUERIES, QRELS);
        assert_eq!(evaluated(&workspace, ""), expected, "{corpus}");
        assert_eq!(search("beir/corpus.jsonl"), plain, "{corpus}");
        workspace.succeed("encode --model model --kind document --input beir/corpus.jsonl --output out.safetensors");
    }
    // A title is joined by index and search, and encode says that it leaves it out.
    workspace.write("titles.csv", "_id,title,text\n0,,the river runs\n1,Music,is played\n");
    let encode = "encode --model model --kind document --input titles.csv --output out.safetensors";
    let (_, said) = workspace.succeed_and_say(encode);
    assert!(said.contains("titles.csv:3: titles are left out; index, search and evaluate put them"), "{said}");
    workspace.write("joined.csv", "_id,text\n0,the river runs\n1,Music is played\n");
    assert_eq!(search("titles.csv"), search("joined.csv"));
}

#[test]
fn ids_that_pandas_made_floats_are_whole_numbers() {
    let workspace = Workspace::new();
    collection(&workspace, CORPUS, QUERIES, QRELS);
    let expected = evaluated(&workspace, "");
    let floats = |lines: &str| {
        [0, 1, 2]
            .iter()
            .fold(lines.to_owned(), |lines, id| lines.replace(&format!("\"_id\": {id},"), &format!("\"_id\": {id}.0,")))
    };
    let qrels = "query-id\tcorpus-id\tscore\n0.0\t0.0\t1\n1.0\t2.0\t1\n";
    // All, and any of them alone.
    for (corpus, queries, qrels) in [
        (floats(CORPUS), floats(QUERIES), qrels),
        (floats(CORPUS), QUERIES.to_owned(), QRELS),
        (CORPUS.to_owned(), QUERIES.to_owned(), qrels),
        (CORPUS.replace("\"_id\": 2", "\"_id\": \"2.0\""), QUERIES.to_owned(), QRELS),
    ] {
        collection(&workspace, &corpus, &queries, qrels);
        assert_eq!(evaluated(&workspace, ""), expected, "{corpus} {qrels}");
    }
    workspace.write("floats.jsonl", floats(CORPUS));
    workspace.succeed("encode --model model --kind document --input floats.jsonl --output out.parquet");
    let rows = Dataset::load(workspace.path("out.parquet")).unwrap();
    assert_eq!((0..3).map(|row| rows.text(row, 0).unwrap()).collect::<Vec<_>>(), ["0", "1", "2"]);
    workspace.succeed("index create --index index --model model --input floats.jsonl");
    assert_eq!(workspace.succeed("index remove --index index --id 1"), "1 documents removed; index has 2\n");
    // Candidates in a run that has integers, of tables that have floats.
    workspace.write("corpus.csv", "id,text\n0.0,the river runs\n1.0,music\n");
    workspace.write("queries.csv", "id,text\n7.0,music\n");
    workspace.write("run.trec", "7 Q0 0 1 2.0 x\n7 Q0 1 2 1.0 x\n");
    workspace.succeed(
        "rerank --model model --queries queries.csv --documents corpus.csv --candidates run.trec --output out.jsonl",
    );
    let (query, results) = found(&workspace, "out.jsonl").remove(0);
    let mut ids: Vec<&str> = results.iter().map(|(id, _)| id.as_str()).collect();
    ids.sort_unstable();
    assert_eq!((query.as_str(), ids), ("7", vec!["0", "1"]));
}

#[test]
fn the_tables_of_ms_marco_are_read_as_they_are() {
    let workspace = Workspace::new();
    let texts = ["the river runs", "music, \"slowly\"", "bread"];
    let rows =
        |texts: &[&str]| texts.iter().enumerate().map(|(id, text)| format!("{id}\t{text}\n")).collect::<String>();
    let object = |(id, text): (usize, &&str)| format!("{}\n", serde_json::json!({"_id": id, "text": text}));
    workspace.write("collection.tsv", rows(&texts));
    workspace.write("queries.tsv", rows(&["a river", "bread is baked"]));
    workspace.write("corpus.jsonl", texts.iter().enumerate().map(object).collect::<String>());
    workspace.write("queries.jsonl", ["a river", "bread is baked"].iter().enumerate().map(object).collect::<String>());
    let mut results = Vec::new();
    for (name, corpus, queries) in [("a", "corpus.jsonl", "queries.jsonl"), ("b", "collection.tsv", "queries.tsv")] {
        let (_, said) = workspace.succeed_and_say(&format!(
            "encode --model model --kind document --input {corpus} --output {name}.safetensors"
        ));
        let warnings = said.lines().filter(|line| line.contains("collection.tsv")).count();
        assert_eq!(warnings, usize::from(name == "b"), "that there is no header is said once: {said}");
        workspace.succeed(&format!("index create --index {name} --model model --input {corpus}"));
        workspace.succeed(&format!("search --index {name} --model model --queries {queries} --output {name}.run"));
        workspace.succeed(&format!(
            "rerank --model model --queries {queries} --documents {corpus} --candidates {name}.run --output {name}.trec"
        ));
        results.push(
            ["safetensors", "run", "trec"].map(|end| fs::read(workspace.path(&format!("{name}.{end}"))).unwrap()),
        );
    }
    assert!(results[0] == results[1]);
    // A reading that is looked at twice says once how it was read.
    let (_, said) = workspace.succeed_and_say("index create --index c --model model --input collection.tsv");
    assert_eq!(said.lines().filter(|line| line.contains("collection.tsv")).count(), 1, "{said}");
}

#[test]
fn judgements_of_every_format_are_the_same() {
    let workspace = Workspace::new();
    collection(&workspace, CORPUS, QUERIES, QRELS);
    let expected = evaluated(&workspace, "");
    fs::remove_file(workspace.path("beir/qrels/test.tsv")).unwrap();
    for (name, text) in [
        ("test.tsv", "0\t0\t1\n1\t2\t1\n"),
        ("test.txt", "0 0 0 1\n1 0 2 1\n"),
        ("test.trec", "0\t0\t0\t1\r\n1\t0\t2\t1\r\n"),
        (
            "test.jsonl",
            "{\"query-id\": \"0\", \"corpus-id\": 0, \"score\": 1}\n{\"query-id\": 1.0, \"corpus-id\": \"2\", \"score\": 1}\n",
        ),
        ("test.csv", "query_id,document_id,relevance\n0,0,1\n1,2,1\n"),
        ("test.json", "{\"0\": {\"0\": 1}, \"1\": {\"2\": 1, \"0\": 0}}"),
        (
            "test.json",
            "[{\"query-id\": 0, \"corpus-id\": 0, \"score\": 1}, {\"query-id\": 1, \"corpus-id\": 2, \"score\": 1}]",
        ),
    ] {
        workspace.write(&format!("beir/qrels/{name}"), text);
        assert_eq!(evaluated(&workspace, ""), expected, "{name}");
        fs::remove_file(workspace.path(&format!("beir/qrels/{name}"))).unwrap();
    }
    workspace.write("beir/qrels/test.txt", "0 Q0 0 1 2.5 bm25\n");
    assert!(workspace.fail("evaluate --model model --beir beir --output out.json").contains("beir/qrels/test.txt:1: "));
}

#[test]
fn a_pointer_of_git_lfs_is_named_for_what_it_is() {
    let workspace = Workspace::new();
    let pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a2146\nsize 12345\n";
    workspace.write("texts.txt", "a text\n");
    let encode = "encode --model model --kind query --output out.safetensors --input";
    for file in ["model.safetensors", "tokenizer.json"] {
        let path = format!("model/{file}");
        let bytes = fs::read(workspace.path(&path)).unwrap();
        workspace.write(&path, pointer);
        let message = workspace.fail(&format!("{encode} texts.txt"));
        assert!(
            message.starts_with(&format!("{path}: a Git LFS pointer")) && message.contains("git lfs pull"),
            "{message}"
        );
        workspace.write(&path, bytes);
    }
    for texts in ["texts.parquet", "texts.jsonl", "texts.csv"] {
        workspace.write(texts, pointer);
        let message = workspace.fail(&format!("{encode} {texts}"));
        assert!(
            message.starts_with(texts) && message.contains("Git LFS") && message.contains("git lfs pull"),
            "{message}"
        );
    }
}

#[test]
fn a_query_that_stands_in_the_corpus_can_be_left_out() {
    let workspace = Workspace::new();
    // As in ArguAna, the queries are documents, too.
    let corpus = "{\"_id\": \"q\", \"text\": \"the law of the king\"}\n{\"_id\": \"d\", \"text\": \"what a king says\"}\n{\"_id\": \"e\", \"text\": \"bread\"}\n";
    let queries = "{\"_id\": \"q\", \"text\": \"the law of the king\"}\n";
    collection(&workspace, corpus, queries, "query-id\tcorpus-id\tscore\nq\td\t1\n");
    let mrr = |results: serde_json::Value| results["beir_MaxSim_mrr@10"].as_f64().unwrap();
    let plain = mrr(evaluated(&workspace, ""));
    let ignoring = mrr(evaluated(&workspace, "--ignore-identical-ids --write-predictions"));
    assert!(ignoring > plain && plain <= 0.5, "{plain} {ignoring}");
    let predictions = workspace.path("Information-Retrieval_evaluation_beir_predictions_MaxSim.jsonl");
    let predictions = fs::read_to_string(predictions).unwrap();
    assert!(
        !predictions.contains("\"corpus_id\": \"q\"") && predictions.contains("\"corpus_id\": \"e\""),
        "{predictions}"
    );
    let evaluator = "evaluators=[{type=\"information_retrieval\",path=\"beir\",ignore_identical_ids=true}]";
    workspace.succeed(&format!("train RUN.toml --set {evaluator} --set training.do_train=false"));
    assert_eq!(workspace.json("output/run/eval_results.json")["eval_beir_MaxSim_mrr@10"].as_f64(), Some(ignoring));
}
