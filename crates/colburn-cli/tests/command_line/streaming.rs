//! Rows that are streamed, and rows that name their texts by ids: runs on them, and runs that are stopped and resumed.

use std::fs;

use crate::resume::{assert_same, left};
use crate::workspace::Workspace;

/// A run on rows that are streamed, of which a pass over 24 rows is six batches of 4.
fn streamed() -> Workspace {
    let workspace = Workspace::new();
    workspace.replace(
        "RUN.toml",
        "train = \"train.jsonl\"",
        "train = \"train.jsonl\"\nstreaming = true\nbuffer_size = 10",
    );
    workspace.replace("RUN.toml", "max_steps = 3", "max_steps = 10\nsave_steps = 4");
    workspace
}

#[test]
fn a_run_on_streamed_rows_is_the_same_each_time_and_over_passes() {
    let (one, other) = (streamed(), streamed());
    let (_, said) = one.succeed_and_say("train RUN.toml");
    assert!(said.contains("parameters on streamed rows: 10 steps of 4 rows"), "{said}");
    other.succeed("train RUN.toml");
    assert_eq!(one.logged("loss").len(), 10);
    assert!(left(&one.path("output/run")) == left(&other.path("output/run")));
    // The same rows in other files and formats are the same run.
    let converted = streamed();
    converted.succeed("data convert train.jsonl rows.parquet");
    converted.replace("RUN.toml", "\"train.jsonl\"", "\"rows.parquet\"");
    converted.succeed("train RUN.toml");
    assert_eq!(converted.logged("loss"), one.logged("loss"));
    let sequential = streamed();
    sequential.replace("RUN.toml", "max_steps = 10", "max_steps = 10\ntrain_sampling_strategy = \"sequential\"");
    sequential.succeed("train RUN.toml");
    assert_ne!(sequential.logged("loss"), one.logged("loss"));
}

#[test]
fn a_streamed_run_is_resumed_by_count() {
    let (whole, stopped) = (streamed(), streamed());
    whole.succeed("train RUN.toml");
    stopped.succeed("train RUN.toml");
    // As if the run had been killed behind its checkpoint of step 4, in the middle of a pass.
    for gone in ["checkpoint-8", "checkpoint-10"] {
        fs::remove_dir_all(stopped.path(&format!("output/run/{gone}"))).unwrap();
    }
    let (_, said) = stopped.succeed_and_say("train RUN.toml --resume");
    assert!(said.contains("resuming from output/run/checkpoint-4"), "{said}");
    assert_same(&stopped.path("output/run"), &whole.path("output/run"), "a streamed run");
    // Another buffer makes another order.
    fs::remove_dir_all(stopped.path("output/run/checkpoint-8")).unwrap();
    fs::remove_dir_all(stopped.path("output/run/checkpoint-10")).unwrap();
    stopped.replace("RUN.toml", "buffer_size = 10", "buffer_size = 5");
    let (_, said) = stopped.succeed_and_say("train RUN.toml --resume");
    assert!(said.contains("changed arguments (rows of the train data)"), "{said}");
}

#[test]
fn what_cannot_be_streamed_is_an_error() {
    let workspace = streamed();
    for (key, expected) in [
        (
            "training.max_steps=-1",
            "`max_steps` is -1; the rows are streamed and their number is not known, so a number of steps",
        ),
        (
            "training.train_sampling_strategy=\"no_duplicates\"",
            "the rows are streamed and cannot be sorted, so \"random\" or \"sequential\" is expected",
        ),
    ] {
        let output = workspace.command("train RUN.toml --set").arg(key).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.lines().any(|line| line.starts_with("error: ") && line.contains(expected)), "{said}");
    }
}

#[test]
fn triples_of_ids_train_as_the_rows_of_their_texts() {
    let workspace = Workspace::new();
    let rows = fs::read_to_string(workspace.path("train.jsonl")).unwrap();
    let (mut queries, mut collection, mut triples) = (String::new(), String::new(), String::new());
    for (row, line) in rows.lines().enumerate() {
        let row_of: serde_json::Value = serde_json::from_str(line).unwrap();
        let text = |key: &str| row_of[key].as_str().unwrap().replace(['\t', '\n'], " ");
        queries.push_str(&format!("{}\t{}\n", 1000 + row, text("query")));
        collection.push_str(&format!("{}\t{}\n{}\t{}\n", 2 * row, text("positive"), 2 * row + 1, text("negative")));
        triples.push_str(&format!("{}\t{}\t{}\n", 1000 + row, 2 * row, 2 * row + 1));
    }
    workspace.write("queries.train.tsv", queries);
    workspace.write("collection.tsv", collection);
    workspace.write("qidpidtriples.train.tsv", triples);
    workspace.replace("RUN.toml", "eval = \"eval.jsonl\"\n", "");
    workspace.replace("RUN.toml", "[[evaluators]]\ntype = \"triplet\"\n", "");
    for key in ["eval_strategy = \"steps\"\n", "eval_steps = 3\n", "eval_on_start = true\n"] {
        workspace.replace("RUN.toml", key, "");
    }
    workspace.succeed("train RUN.toml");
    let of_texts = workspace.logged("loss");
    let tables = "train = \"qidpidtriples.train.tsv\"\nqueries = \"queries.train.tsv\"\ndocuments = \"collection.tsv\"";
    workspace.replace("RUN.toml", "train = \"train.jsonl\"", tables);
    workspace.succeed("train RUN.toml --set training.output_dir=\"output/ids\"");
    let state = workspace.json("output/ids/trainer_state.json");
    let logged = state["log_history"].as_array().unwrap().iter().filter_map(|entry| entry["loss"].as_f64());
    assert_eq!(logged.collect::<Vec<_>>(), of_texts);
}
