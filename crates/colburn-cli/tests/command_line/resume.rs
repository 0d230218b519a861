//! A run that resumes from a checkpoint gives the same bytes as one that was not stopped. What this file holds beside the
//! tests of damaged checkpoints is the run, and the comparison, that the test of killed runs uses too.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::workspace::{Workspace, copy};

/// All that makes an exact resume hard, at once: dropout, accumulation whose last group of an epoch is incomplete, mini-batches,
/// two datasets with a loss each, batches by length, logs and evaluations out of step with the checkpoints, which are limited in
/// number.
const RUN: &str = r#"
[model]
name_or_path = "model"

[[data.train]]
name = "triplets"
path = "train.jsonl"

[[data.train]]
name = "scored"
path = "kd/train.jsonl"
queries = "kd/queries.jsonl"
documents = "kd/documents.jsonl"
n_ways = 4
loss = { type = "distillation" }

[data]
eval = "eval.jsonl"

[[evaluators]]
type = "triplet"

[training]
output_dir = "output/run"
num_train_epochs = 3
per_device_train_batch_size = 4
gradient_accumulation_steps = 3
mini_batch_size = 3
train_sampling_strategy = "group_by_length"
learning_rate = 1e-3
weight_decay = 0.01
warmup_steps = 0.2
logging_steps = 2
eval_strategy = "steps"
eval_steps = 3
save_steps = 1
save_total_limit = 2
report_to = "all"
"#;

/// Files and folders that are others in each run, because of clocks, of the run's id, and of the checksums of what holds them.
const TIMED: [&str; 5] = [".lock", "manifest.json", "report.html", "runs", "wandb"];

/// The same in JSON: keys, or parts of them.
const TIMED_KEYS: [&str; 4] = ["runtime", "per_second", "wandb", "resume_from_checkpoint"];

/// The run above, ready to be started.
pub fn workspace() -> Workspace {
    let workspace = Workspace::with_teacher();
    for key in ["hidden_dropout_prob", "attention_probs_dropout_prob"] {
        workspace.replace("model/config.json", &format!("\"{key}\": 0.0"), &format!("\"{key}\": 0.1"));
    }
    workspace.write("RUN.toml", RUN);
    workspace
}

/// True if the run has left a checkpoint that it can resume from.
pub fn has_checkpoint(workspace: &Workspace) -> bool {
    let Ok(entries) = fs::read_dir(workspace.path("output/run")) else { return false };
    entries.flatten().any(|entry| entry.file_name().to_string_lossy().starts_with("checkpoint-"))
}

/// Everything that a run has left, by its path: bytes, but for the parts of JSON that depend on the clock or on how the run was started.
pub fn left(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(inner) = folders.pop() {
        for entry in fs::read_dir(inner).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if TIMED.contains(&name.as_str()) {
                continue;
            }
            if path.is_dir() {
                folders.push(path);
            } else {
                let place = path.strip_prefix(folder).unwrap().to_string_lossy().into_owned();
                files.insert(place, untimed(&name, fs::read(&path).unwrap()));
            }
        }
    }
    files
}

fn untimed(name: &str, bytes: Vec<u8>) -> Vec<u8> {
    let without = |json: &[u8]| {
        let mut value: Value = serde_json::from_slice(json).unwrap();
        remove_timed(&mut value);
        value.to_string().into_bytes()
    };
    match name {
        "trainer_state.json" | "training_args.json" => without(&bytes),
        _ if name.ends_with(".jsonl") => {
            bytes.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()).flat_map(without).collect()
        }
        _ => bytes,
    }
}

fn remove_timed(value: &mut Value) {
    match value {
        Value::Object(object) => {
            object.retain(|key, _| !TIMED_KEYS.iter().any(|timed| key.contains(timed)));
            object.values_mut().for_each(remove_timed);
        }
        Value::Array(array) => array.iter_mut().for_each(remove_timed),
        _ => {}
    }
}

/// Asserts that two runs have left the same.
pub fn assert_same(found: &Path, expected: &Path, context: &str) {
    let (found, expected) = (left(found), left(expected));
    assert_eq!(found.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>(), "{context}");
    for (name, bytes) in &expected {
        let shown = |bytes: &[u8]| String::from_utf8_lossy(&bytes[..bytes.len().min(4000)]).into_owned();
        assert!(found[name] == *bytes, "{context}: {name} differs:\n{}\n{}", shown(&found[name]), shown(bytes));
    }
    for name in ["model.safetensors", "1_Dense/model.safetensors", "tokenizer.json", "trainer_state.json", "logs.jsonl"]
    {
        assert!(expected.contains_key(name), "{context}: {name} is missing");
    }
    assert!(expected.contains_key("eval/triplet_evaluation_results.csv"), "{context}: nothing was evaluated");
}

#[test]
fn a_damaged_checkpoint_is_passed_over_unless_it_was_named() {
    let workspace = workspace();
    workspace.succeed("train RUN.toml");
    let (run, whole) = (workspace.path("output/run"), workspace.path("output/whole"));
    fs::rename(&run, &whole).unwrap();
    let state = workspace.json("output/whole/trainer_state.json");
    let steps = state["global_step"].as_u64().unwrap();
    let newest = format!("checkpoint-{steps}");

    type Damage = fn(&Path);
    let damages: [(&str, Damage); 3] = [
        ("model.safetensors has ", |checkpoint| {
            let path = checkpoint.join("model.safetensors");
            let bytes = fs::read(&path).unwrap();
            fs::write(path, &bytes[..bytes.len() / 2]).unwrap();
        }),
        ("optimizer.safetensors was changed after it was written", |checkpoint| {
            let path = checkpoint.join("optimizer.safetensors");
            let mut bytes = fs::read(&path).unwrap();
            let middle = bytes.len() / 2;
            bytes[middle] ^= 1;
            fs::write(path, bytes).unwrap();
        }),
        ("tokenizer.json: ", |checkpoint| fs::remove_file(checkpoint.join("tokenizer.json")).unwrap()),
    ];
    for (message, damage) in damages {
        copy(&whole, &run);
        damage(&run.join(&newest));
        let refused = workspace.fail(&format!("train RUN.toml --resume output/run/{newest}"));
        let expected = format!("the checkpoint output/run/{newest} cannot be used: ");
        assert!(refused.starts_with(&expected) && refused.contains(message), "{refused}");

        let (_, said) = workspace.succeed_and_say("train RUN.toml --resume");
        let warning = said.lines().find(|line| line.contains("it is skipped")).unwrap_or_default();
        assert!(warning.contains(&newest) && warning.contains(message), "{said}");
        assert!(said.contains(&format!("resuming from output/run/checkpoint-{}", steps - 1)), "{said}");
        assert_same(&run, &whole, message);
        fs::remove_dir_all(&run).unwrap();
    }
}

#[test]
fn going_on_needs_something_to_go_on_from() {
    let workspace = workspace();
    assert_eq!(
        workspace.fail("train RUN.toml --resume"),
        "output/run holds no checkpoint to resume from (0 damaged); leave `resume_from_checkpoint` out to start from the beginning"
    );
    assert_eq!(
        workspace.fail("train RUN.toml --resume output/run/checkpoint-7"),
        "the checkpoint output/run/checkpoint-7 cannot be used: there is no such folder"
    );
    workspace.succeed("train RUN.toml --set training.max_steps=2");
    let other = "train RUN.toml --resume --set data.train=train.jsonl";
    assert_eq!(
        workspace.fail(other),
        "the checkpoint output/run/checkpoint-2 cannot be used: its run had 24 + 40 training rows, this one has 24; give it the same data"
    );
    // As in Hugging Face's trainer, a run that was not told to go on begins anew.
    let (_, said) = workspace.succeed_and_say("train RUN.toml --set training.max_steps=1");
    assert!(
        said.contains(
            "the run begins at step 0, though there is output/run/checkpoint-2; --resume would resume from it"
        ),
        "{said}"
    );
    assert_eq!(workspace.json("output/run/trainer_state.json")["global_step"], 1);
}
