//! Bad input: each case is one line that names the culprit, an exit code other than 0, and no panic.

use std::fs;
use std::path::Path;

use crate::workspace::{RUN, Workspace};

/// Asserts that a message names all of these.
fn names(message: &str, culprits: &[&str]) {
    for culprit in culprits {
        assert!(message.contains(culprit), "no {culprit:?} in: {message}");
    }
}

#[test]
fn a_missing_column() {
    let workspace = Workspace::new();
    workspace.write("pairs.csv", "query,positive\na,b\n");
    names(
        &workspace.fail("evaluate --model model --triplets pairs.csv --output results.json"),
        &["pairs.csv", "negative"],
    );
    workspace.write("train.jsonl", "{\"positive\": \"a\", \"negative\": \"b\"}\n");
    names(&workspace.fail("train RUN.toml"), &["train.jsonl", "query", "no query column", "positive", "negative"]);
    assert!(!workspace.path("results.json").exists());
}

#[test]
fn an_empty_file() {
    let workspace = Workspace::new();
    for name in ["empty.jsonl", "empty.csv", "empty.parquet"] {
        workspace.write(name, "");
        names(&workspace.fail(&format!("train RUN.toml --set data.train={name}")), &[name]);
    }
    workspace.write("empty.txt", "");
    names(
        &workspace.fail("encode --model model --input empty.txt --kind query --output out.safetensors"),
        &["empty.txt"],
    );
    workspace.write("RUN.toml", "");
    names(&workspace.fail("train RUN.toml"), &["RUN.toml", "name_or_path"]);
}

/// A Parquet file as it should be.
fn parquet() -> Vec<u8> {
    fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/data/triplets-test.parquet")).unwrap()
}

#[test]
fn a_parquet_file_with_a_hole_of_zeros() {
    let workspace = Workspace::new();
    let whole = parquet();
    // The last hole, a byte of the footer, is one that the decoder panics on.
    for (start, end) in [(4, 64), (4, whole.len() / 2), (140_363, 140_364)] {
        let mut damaged = whole.clone();
        damaged[start..end].fill(0);
        workspace.write("train.parquet", damaged);
        names(
            &workspace.fail("train RUN.toml --set data.train=train.parquet"),
            &["train.parquet: ", "; ", "copy or write it again"],
        );
    }
}

#[test]
fn a_truncated_parquet_file() {
    let workspace = Workspace::new();
    let mut truncated = parquet();
    truncated.truncate(truncated.len() / 2);
    workspace.write("train.parquet", truncated);
    names(&workspace.fail("train RUN.toml --set data.train=train.parquet"), &["train.parquet"]);
    names(
        &workspace.fail("encode --model model --input train.parquet --kind query --output out.safetensors"),
        &["train.parquet"],
    );
}

#[test]
fn a_broken_json_line() {
    let workspace = Workspace::new();
    let mut rows = fs::read_to_string(workspace.path("train.jsonl")).unwrap();
    rows.insert_str(rows.find('\n').unwrap() + 1, "{\"query\": \"a\", \"positive\n");
    workspace.write("train.jsonl", rows);
    names(&workspace.fail("train RUN.toml"), &["train.jsonl:2"]);
    workspace.write("texts.jsonl", "\"a\"\n{\"text\": \n");
    names(
        &workspace.fail("encode --model model --input texts.jsonl --kind query --output out.safetensors"),
        &["texts.jsonl:2"],
    );
}

#[test]
fn an_unknown_key() {
    let workspace = Workspace::new();
    workspace.replace("RUN.toml", "learning_rate", "learning_rat");
    assert_eq!(
        workspace.fail("train RUN.toml"),
        "RUN.toml:19: unknown key \"learning_rat\" in [training]; did you mean \"learning_rate\"?"
    );
    workspace.write("RUN.toml", RUN);
    names(
        &workspace.fail("train RUN.toml --set training.ipex=true"),
        &["\"ipex\"", "[training]", "known keys: output_dir, "],
    );
    names(
        &workspace.fail("train RUN.toml --set loss.type=triplet_margin"),
        &["\"triplet_margin\" is not supported", "contrastive"],
    );
    names(
        &workspace.fail("train RUN.toml --set training.lr_scheduler_type=cosin"),
        &["lr_scheduler_type", "\"cosin\" is not supported", "did you mean \"cosine\"?"],
    );
    names(
        &workspace.fail("train RUN.toml --set training.max_steps=many"),
        &["max_steps", "\"many\"", "a whole number"],
    );
}

#[test]
fn a_model_directory_without_weights() {
    let workspace = Workspace::new();
    fs::remove_file(workspace.path("model/model.safetensors")).unwrap();
    names(&workspace.fail("train RUN.toml"), &["model", "model.safetensors"]);
    workspace.write("texts.txt", "a\n");
    let encode = "encode --model nowhere --input texts.txt --kind query --output out.safetensors";
    names(&workspace.fail(encode), &["nowhere"]);
}

#[test]
fn mismatched_shapes() {
    let workspace = Workspace::new();
    workspace.replace("model/config.json", "\"intermediate_size\": 64", "\"intermediate_size\": 96");
    names(&workspace.fail("train RUN.toml"), &["model.safetensors", "intermediate.dense", "64", "96"]);
}

#[test]
fn an_unwritable_output_directory() {
    let workspace = Workspace::new();
    workspace.write("file", "where a folder would have to be");
    names(&workspace.fail("train RUN.toml --set training.output_dir=file/run"), &["file/run"]);
    workspace.write("texts.txt", "a\n");
    let encode = "encode --model model --input texts.txt --kind query --output file/out.safetensors";
    names(&workspace.fail(encode), &["file/out.safetensors"]);
    names(
        &workspace.fail("evaluate --model model --triplets eval.jsonl --output file/results.json"),
        &["file/results.json"],
    );
}

#[test]
fn a_device_that_is_not_in_the_build() {
    let workspace = Workspace::new();
    if !cfg!(feature = "cuda") {
        names(&workspace.fail("train RUN.toml --device cuda"), &["cuda", "--features cuda"]);
        names(&workspace.fail("train RUN.toml --set training.device=cuda"), &["cuda", "--features cuda"]);
    }
    names(&workspace.fail("train RUN.toml --device tpu"), &["tpu", "flex"]);
}

#[test]
fn wrong_usage_is_told_apart_from_failure() {
    let workspace = Workspace::new();
    for arguments in [
        "train",
        "encode --model model",
        "train RUN.toml --learning-rate 1",
        "evaluate --model m --triplets t --output o --batch-size 0",
    ] {
        assert_eq!(workspace.command(arguments).output().unwrap().status.code(), Some(2), "{arguments}");
    }
}

#[test]
fn a_model_whose_vectors_are_nan() {
    let workspace = Workspace::new();
    let mut weights = fs::read(workspace.path("model/1_Dense/model.safetensors")).unwrap();
    // The file is its header and one matrix.
    let header = 8 + u64::from_le_bytes(*weights.first_chunk().unwrap()) as usize;
    for weight in weights[header..].as_chunks_mut().0 {
        *weight = f32::MAX.to_le_bytes();
    }
    workspace.write("model/1_Dense/model.safetensors", weights);
    names(
        &workspace.fail("evaluate --model model --triplets eval.jsonl --output out.json"),
        &["query of triplet 0 (counted from 0)", "NaN"],
    );
    assert!(!workspace.path("out.json").exists());
}
