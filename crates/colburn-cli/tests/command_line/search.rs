//! `colburn search`: an index, and a file of texts, give the same; what does not fit together is refused.

use std::fs;

use serde_json::Value;

use crate::workspace::Workspace;

/// Documents in which each of two formats of ids comes.
pub const CORPUS: &str = r#"{"_id": "river", "title": "", "text": "the river runs through the old town"}
{"_id": "song", "text": "music"}
{"_id": 7, "title": "Bread", "text": "is baked in the morning"}
{"_id": "moon", "text": "the moon goes round the earth once a month"}
{"_id": "law", "text": "a court decides what the law means"}
{"_id": "salt", "text": "salt dissolves in water"}
"#;

/// The text of one of them: nothing is as like to it as itself.
pub const MOON: &str = "the moon goes round the earth once a month";

const QUERIES: &str =
    "{\"id\": \"a\", \"text\": \"a moon round the earth\"}\n{\"id\": \"b\", \"text\": \"salt in the water\"}\n";

pub type Results = Vec<(String, f64)>;

/// The queries of a run in JSON Lines with their results.
pub fn found(workspace: &Workspace, name: &str) -> Vec<(String, Results)> {
    runs(&fs::read_to_string(workspace.path(name)).unwrap())
}

fn runs(text: &str) -> Vec<(String, Results)> {
    let result = |result: &Value| (result["id"].as_str().unwrap().to_owned(), result["score"].as_f64().unwrap());
    let line = |line: &str| {
        let line: Value = serde_json::from_str(line).unwrap();
        let results = line["results"].as_array().unwrap().iter().map(result).collect();
        (line["query_id"].as_str().unwrap().to_owned(), results)
    };
    text.lines().map(line).collect()
}

pub fn ids(results: &Results) -> Vec<&str> {
    results.iter().map(|(id, _)| id.as_str()).collect()
}

/// The output about a query of several words, which the workspace would take for arguments.
pub fn ask(workspace: &Workspace, query: &str) -> String {
    let mut search = workspace.command("search --index index --model model --k 100 --query");
    let output = search.arg(query).output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

fn workspace() -> Workspace {
    let workspace = Workspace::new();
    workspace.write("corpus.jsonl", CORPUS);
    workspace.write("queries.jsonl", QUERIES);
    workspace.succeed("index create --index index --model model --input corpus.jsonl");
    workspace
}

#[test]
fn an_index_and_its_texts_give_the_same() {
    let workspace = workspace();
    let search = "search --model model --queries queries.jsonl --k 4";
    workspace.succeed(&format!("{search} --index index --output new/index.jsonl"));
    let printed = workspace.succeed(&format!("{search} --corpus corpus.jsonl"));
    let (index, corpus) = (found(&workspace, "new/index.jsonl"), runs(&printed));
    assert_eq!(
        index.iter().map(|(query, results)| (query.as_str(), results.len())).collect::<Vec<_>>(),
        [("a", 4), ("b", 4)]
    );
    assert_eq!((ids(&index[0].1)[0], ids(&index[1].1)[0]), ("moon", "salt"));
    for ((_, index), (_, corpus)) in index.iter().zip(&corpus) {
        assert_eq!(ids(index), ids(corpus));
        assert!(index.is_sorted_by(|a, b| a.1 >= b.1));
        for (a, b) in index.iter().zip(corpus) {
            assert!((a.1 - b.1).abs() < 1e-4, "{a:?} {b:?}");
        }
    }

    workspace.succeed(&format!("{search} --index index --output run.trec"));
    let trec = fs::read_to_string(workspace.path("run.trec")).unwrap();
    let columns: Vec<Vec<&str>> = trec.lines().map(|line| line.split(' ').collect()).collect();
    assert_eq!(columns.len(), 8);
    assert_eq!(columns[4][..4], ["b", "Q0", "salt", "1"]);
    assert_eq!(columns[4][4].parse::<f32>().unwrap(), index[1].1[0].1 as f32, "scores lose nothing");
    assert_eq!(columns[4][5], "colburn");
}

#[test]
fn one_query_is_answered_with_a_list() {
    let workspace = workspace();
    let printed = ask(&workspace, MOON);
    let lines: Vec<Vec<&str>> = printed.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(lines.len(), 6, "as many as there are: {printed}");
    assert_eq!((lines[0][0], lines[0][2]), ("1", "moon"));
    workspace.succeed("index remove --index index --id river --id song --id 7 --id moon --id law --id salt");
    assert_eq!(workspace.succeed("search --index index --model model --query music"), "nothing was found\n");
}

#[test]
fn a_corpus_without_ids() {
    let workspace = workspace();
    let triplets = "../../examples/data/triplets-test.parquet";
    fs::copy(std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(triplets), workspace.path("rows.parquet")).unwrap();
    let message = workspace.fail("search --corpus rows.parquet --model model --query music");
    let expected = "there is no id; a column `_id` or `id` is expected, or one that --id-column names";
    assert_eq!(message, format!("rows.parquet: row 0 (counted from 0): {expected}"));
}

#[test]
fn another_model_is_noticed() {
    let workspace = workspace();
    crate::workspace::copy(&workspace.path("model"), &workspace.path("other"));
    let search = "search --index index --query music --model";
    assert_eq!(workspace.succeed_and_say(&format!("{search} other")).1, "", "the same weights are the same model");
    let weights = workspace.path("other/1_Dense/model.safetensors");
    let mut bytes = fs::read(&weights).unwrap();
    *bytes.last_mut().unwrap() ^= 0x40;
    fs::write(&weights, bytes).unwrap();
    let (_, said) = workspace.succeed_and_say(&format!("{search} other"));
    assert!(said.contains("index: made with model, other weights than those of other"), "{said}");
    // Documents of both in one index would make no sense.
    let message = workspace.fail("index add --index index --model other --input corpus.jsonl");
    assert!(message.starts_with("index: its documents were encoded with weights "), "{message}");
    let message = workspace.fail("index add --index index --model model --input corpus.jsonl --pool-factor 2");
    assert!(
        message
            .contains("were encoded with pool_factor 1, these would be with 2; encode them alike, or make a new index"),
        "{message}"
    );
    assert_eq!(workspace.succeed_and_say(&format!("{search} ./model")).1, "", "another spelling is the same model");

    workspace.replace("index/index.json", "\"dim\": 24", "\"dim\": 12");
    assert!(workspace.fail(&format!("{search} model")).contains("tensor `values` is (F32, ["));
    workspace.replace("index/index.json", "\"dim\": 12", "\"dim\": 24");
    // A model of another width, by way of an index of another width: one without documents needs no segments.
    workspace.succeed("index remove --index index --id river --id song --id 7 --id moon --id law --id salt");
    workspace.replace("index/index.json", "\"dim\": 24", "\"dim\": 12");
    assert_eq!(
        workspace.fail(&format!("{search} model")),
        "index: its vectors have 12 dimensions, which was made with model, but those of model have 24"
    );
}

#[test]
fn what_does_not_belong_together_is_refused() {
    let workspace = workspace();
    let search = "search --model model --query music";
    assert!(workspace.fail(&format!("{search} --index absent")).contains("absent: there is no index"));
    assert!(workspace.fail(&format!("{search} --corpus absent.jsonl")).contains("absent.jsonl"));
    let output = workspace.fail(&format!("{search} --index index --output run.txt"));
    assert_eq!(output, "run.txt: a run is a .jsonl file or, in TREC's format, a .trec or .run file");
    let probe = workspace.fail(&format!("{search} --index index --n-ivf-probe 4"));
    assert!(probe.starts_with("n_ivf_probe = 4: an option of PLAID indexes"), "{probe}");
    // Before anything that takes time: neither queries nor a model are there.
    let early = "search --model absent --queries absent.jsonl --n-full-scores 4";
    for documents in ["--index index", "--corpus absent.jsonl"] {
        let message = workspace.fail(&format!("{early} {documents}"));
        assert!(message.starts_with("n_full_scores = 4: an option of PLAID indexes"), "{message}");
    }
    workspace.write("blank.jsonl", "{\"id\": \"a b\", \"text\": \"music\"}\n");
    let blank = workspace.fail("search --model absent --queries blank.jsonl --index index --output run.trec");
    assert_eq!(blank, "the id \"a b\": TREC's format has blanks between its columns; write a .jsonl file");
    for arguments in [
        "search --model model --index index",
        "search --model model --query a --queries b --index index",
        "search --model model --query a",
        "search --model model --query a --index b --corpus c",
        "search --model model --query a --index b --k 0",
    ] {
        assert_eq!(workspace.command(arguments).output().unwrap().status.code(), Some(2), "{arguments}");
    }
}
