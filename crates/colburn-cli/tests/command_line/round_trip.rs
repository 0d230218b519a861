//! The purpose of the binary: train a model, encode with it, evaluate it.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use safetensors::SafeTensors;
use serde_json::Value;

use crate::workspace::Workspace;

/// The tensors of a file: name to shape and values.
fn tensors(path: &Path) -> BTreeMap<String, (Vec<usize>, Vec<f32>)> {
    let bytes = fs::read(path).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let read = |view: safetensors::tensor::TensorView| {
        let values = view.data().chunks_exact(4).map(|four| f32::from_le_bytes(four.try_into().unwrap())).collect();
        (view.shape().to_vec(), values)
    };
    file.tensors().into_iter().map(|(name, view)| (name, read(view))).collect()
}

#[test]
fn a_model_is_trained_used_and_measured() {
    let workspace = Workspace::new();
    workspace.succeed("train RUN.toml");
    for name in
        ["modules.json", "model.safetensors", "tokenizer.json", "1_Dense/model.safetensors", "trainer_state.json"]
    {
        assert!(workspace.path("output/run").join(name).is_file(), "{name} is missing");
    }
    let csv = fs::read_to_string(workspace.path("output/run/eval/triplet_evaluation_results.csv")).unwrap();
    assert_eq!(csv.lines().count(), 3, "a header, before training, after step 3: {csv}");
    let state: Value =
        serde_json::from_slice(&fs::read(workspace.path("output/run/trainer_state.json")).unwrap()).unwrap();
    assert_eq!(state["global_step"], 3);

    workspace.write("texts.txt", "what is late interaction?\n\nwho sings?\n");
    workspace.succeed("encode --model output/run --input texts.txt --kind query --output new/queries.safetensors");
    let queries = tensors(&workspace.path("new/queries.safetensors"));
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = |name: &str| fs::metadata(workspace.path(name)).unwrap().permissions().mode();
        assert_eq!(mode("new/queries.safetensors"), mode("texts.txt"), "an output is as readable as any other file");
    }
    assert_eq!(queries.keys().collect::<Vec<_>>(), ["0", "1", "2"]);
    for (shape, values) in queries.values() {
        assert_eq!(shape[0], 16, "a query has query_length vectors");
        for vector in values.chunks_exact(shape[1]) {
            let norm: f32 = vector.iter().map(|value| value * value).sum();
            assert!((norm - 1.0).abs() < 1e-5, "{norm}");
        }
    }

    let printed = workspace.succeed("evaluate --model output/run --triplets eval.jsonl --output results.json");
    let results: Value = serde_json::from_slice(&fs::read(workspace.path("results.json")).unwrap()).unwrap();
    let accuracy = results["accuracy"].as_f64().unwrap();
    assert!((0.0..=1.0).contains(&accuracy));
    assert!(results.as_object().unwrap().values().all(Value::is_number), "{results}");
    assert!(printed.contains("accuracy"), "{printed}");
}

#[test]
fn embeddings_do_not_depend_on_batches_or_on_the_file_format() {
    let workspace = Workspace::new();
    let texts = ["a longer document, with punctuation.", "short", "", "one of medium length"];
    workspace.write("texts.txt", texts.map(|text| format!("{text}\r\n")).concat());
    workspace.write("texts.jsonl", texts.map(|text| format!("{}\n", serde_json::json!({ "text": text }))).concat());
    let encode = "encode --model model --kind document";
    workspace.succeed(&format!("{encode} --input texts.txt --output lines.safetensors"));
    workspace.succeed(&format!("{encode} --input texts.jsonl --output json.safetensors --batch-size 1"));
    let (lines, json) = (tensors(&workspace.path("lines.safetensors")), tensors(&workspace.path("json.safetensors")));
    assert_eq!(lines.len(), texts.len());
    for (name, (shape, values)) in &lines {
        let (other_shape, other_values) = &json[name];
        assert_eq!(shape, other_shape);
        let difference = values.iter().zip(other_values).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(difference < 1e-5, "{name}: {difference}");
    }
    // [CLS], the prefix, "short" and [SEP]; the empty text lacks the word.
    assert!(lines["1"].0[0] > lines["2"].0[0] && lines["2"].0[0] == 3);
}

#[test]
fn the_same_run_gives_the_same_weights() {
    let workspace = Workspace::new();
    for name in ["first", "second"] {
        workspace.succeed(&format!("train RUN.toml --set training.output_dir={name}"));
    }
    workspace.succeed("train RUN.toml --set training.output_dir=other --set training.seed=7");
    let weights = |name: &str| fs::read(workspace.path(name).join("model.safetensors")).unwrap();
    assert_eq!(weights("first"), weights("second"));
    assert_ne!(weights("first"), weights("other"));
}

#[test]
fn several_evaluators_are_told_apart() {
    let workspace = Workspace::new();
    workspace.succeed("train RUN.toml --set evaluators=[{type=\"triplet\"},{type=\"triplet\",name=\"again\"}]");
    let csv = |name: &str| fs::read_to_string(workspace.path("output/run/eval").join(name)).unwrap();
    assert_eq!(csv("triplet_evaluation_results.csv"), csv("triplet_evaluation_again_results.csv"));
    let state: Value =
        serde_json::from_slice(&fs::read(workspace.path("output/run/trainer_state.json")).unwrap()).unwrap();
    let evaluated = state["log_history"]
        .as_array()
        .unwrap()
        .iter()
        .find(|entry| entry["step"] == 3 && entry["eval_accuracy"].is_number());
    assert!(evaluated.is_some_and(|entry| entry["eval_again_accuracy"] == entry["eval_accuracy"]), "{state:#}");
}

/// A process that does not outlive its test, however that ends.
#[cfg(unix)]
struct Running(std::process::Child);

#[cfg(unix)]
impl Drop for Running {
    fn drop(&mut self) {
        let _has_ended = self.0.kill();
        let _status = self.0.wait();
    }
}

#[cfg(unix)]
#[test]
fn an_interrupt_leaves_a_checkpoint() {
    use std::io::{BufRead, BufReader};
    use std::process::{Command, Stdio};

    let workspace = Workspace::new();
    let training = workspace
        .command("train RUN.toml --set training.max_steps=1000000")
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut training = Running(training);
    let mut log = BufReader::new(training.0.stderr.take().unwrap()).lines();
    assert!(log.any(|line| line.unwrap().starts_with("step 2/")), "training does not come to its second step");
    // Not SIGINT, which a process in the background of a script is started to ignore; the handler is the same. And the shell's own kill: the
    // program of that name is not installed everywhere.
    let interrupt = format!("kill -TERM {}", training.0.id());
    assert!(Command::new("sh").args(["-c", &interrupt]).status().unwrap().success());
    let rest: Vec<String> = log.map(Result::unwrap).collect();
    assert_eq!(training.0.wait().unwrap().code(), Some(130), "{rest:?}");

    let state: Value =
        serde_json::from_slice(&fs::read(workspace.path("output/run/trainer_state.json")).unwrap()).unwrap();
    let checkpoint = workspace.path("output/run").join(format!("checkpoint-{}", state["global_step"]));
    assert!(checkpoint.join("model.safetensors").is_file(), "{rest:?}");
    assert!(!workspace.path("output/run/model.safetensors").exists(), "an interrupted run has no final model");
}

#[test]
fn a_reader_that_went_away_is_no_failure() {
    let workspace = Workspace::new();
    workspace.write("texts.txt", "a\n");
    for arguments in
        ["train RUN.toml", "encode --model model --input texts.txt --kind query --output out.safetensors", "--help"]
    {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = workspace.command(arguments).stdout(writer).output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && !stderr.contains("panicked"), "{arguments}: {stderr}");
    }
}
