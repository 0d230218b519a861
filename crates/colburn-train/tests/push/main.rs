//! `push_to_hub`: what goes to the hub when, and that nothing that goes wrong there ends a run.
#![cfg(all(feature = "flex", feature = "hub"))]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

#[path = "../trainer/common.rs"]
mod common;
#[path = "../../../../tests/hub/server/mod.rs"]
mod server;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

use colburn_hub::Hub;
use colburn_train::{
    Callback, CallbackContext, Error, HubStrategy, PushOutput, Result, ResumeFromCheckpoint, TrainOutput,
    TrainerControl, TrainingArguments,
};

use common::{arguments, logged, rows, trainer};
use server::{Fault, READ, Server, WRITE};

const REPO: &str = "ada/run";

fn hub(server: &Server, token: Option<&str>, dir: &Path) -> Hub {
    let hub = Hub::from_env().with_endpoint(&server.endpoint).with_cache(dir.join("cache")).with_offline(false);
    hub.with_token(token)
}

/// Four steps with a checkpoint after every second one.
fn pushing(dir: &Path) -> TrainingArguments {
    TrainingArguments {
        push_to_hub: true,
        hub_always_push: true,
        num_train_epochs: 1.0,
        save_steps: 2.0,
        ..arguments(&dir.join("run"))
    }
}

fn try_train(server: &Server, token: Option<&str>, dir: &Path, args: TrainingArguments) -> Result<TrainOutput> {
    trainer(args).train_dataset(rows(16)).hub(hub(server, token, dir)).train()
}

fn train(server: &Server, dir: &Path, args: TrainingArguments) -> (TrainOutput, PushOutput) {
    let output = try_train(server, Some(WRITE), dir, args).unwrap();
    let push = output.push.clone().unwrap();
    let left = fs::read_dir(dir.join("run")).unwrap().flatten().map(|entry| entry.file_name());
    let left: Vec<_> = left.filter(|name| name.to_string_lossy().starts_with(".tmp-")).collect();
    assert!(left.is_empty(), "{left:?}");
    (output, push)
}

/// The messages of the commits to a repository, and the files on a branch.
fn pushed(server: &Server, repo: &str, branch: &str) -> (Vec<String>, BTreeMap<String, Vec<u8>>) {
    let mut state = server.state();
    let repository = state.repository("models", repo);
    let commit = repository.branches[branch].clone();
    (repository.messages.clone(), repository.commits[&commit].clone())
}

#[test]
fn the_end_is_the_model_and_what_belongs_to_it() {
    let (server, dir) = (Server::start(), tempfile::tempdir().unwrap());
    let args =
        TrainingArguments { hub_strategy: HubStrategy::End, hub_private_repo: Some(true), ..pushing(dir.path()) };
    let (_, push) = train(&server, dir.path(), args);
    let (messages, files) = pushed(&server, REPO, "main");
    assert_eq!(messages, ["End of training"]);
    assert_eq!((push.repo.as_str(), push.uploads, push.failed), (REPO, 1, 0));
    assert!(push.url.is_some_and(|url| url.contains(REPO)));
    assert!(server.state().repository("models", REPO).private);
    for name in ["README.md", "model.safetensors", "1_Dense/model.safetensors", "tokenizer.json", "trainer_state.json"]
    {
        assert!(files.contains_key(name), "{name}: {:?}", files.keys());
        assert_eq!(files[name], fs::read(dir.path().join("run").join(name)).unwrap(), "{name}");
    }
    let hidden: Vec<_> = files.keys().filter(|name| name.starts_with('.') || name.contains("checkpoint-")).collect();
    assert_eq!(hidden, [".gitattributes"]);
    let card = String::from_utf8(files["README.md"].clone()).unwrap();
    assert!(card.contains("MultiVectorEncoder(\"ada/run\")"), "{card}");
}

#[test]
fn every_save_is_a_model() {
    let (server, dir) = (Server::start(), tempfile::tempdir().unwrap());
    let args = TrainingArguments { hub_model_id: Some("org/model".to_owned()), ..pushing(dir.path()) };
    let (_, push) = train(&server, dir.path(), args);
    let (messages, files) = pushed(&server, "org/model", "main");
    assert_eq!(messages, ["Training in progress, step 2", "Training in progress, step 4", "End of training"]);
    assert_eq!((push.uploads, push.failed), (3, 0));
    assert!(!files.keys().any(|name| name.contains("optimizer") || name.contains("manifest")), "{:?}", files.keys());
}

#[test]
fn a_run_goes_on_from_the_last_checkpoint_on_the_hub() {
    let (server, dir) = (Server::start(), tempfile::tempdir().unwrap());
    let args = TrainingArguments { hub_strategy: HubStrategy::Checkpoint, save_steps: 3.0, ..pushing(dir.path()) };
    let (whole, _) = train(&server, dir.path(), TrainingArguments { max_steps: 4, ..args.clone() });
    let (messages, files) = pushed(&server, REPO, "main");
    assert_eq!(messages[..2], ["Training in progress, step 3", "Training in progress, step 3, checkpoint"]);

    let downloaded = dir.path().join("last-checkpoint");
    for (name, bytes) in &files {
        if let Some(name) = name.strip_prefix("last-checkpoint/") {
            let path = downloaded.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        }
    }
    let args = TrainingArguments {
        push_to_hub: false,
        max_steps: 5,
        output_dir: dir.path().join("more"),
        resume_from_checkpoint: ResumeFromCheckpoint::From(downloaded),
        ..args
    };
    let more = trainer(args).train_dataset(rows(16)).train().unwrap();
    assert_eq!(more.global_step, 5);
    assert_eq!(logged(&more, "loss")[..4], logged(&whole, "loss")[..4]);
}

#[test]
fn all_checkpoints_have_folders() {
    let (server, dir) = (Server::start(), tempfile::tempdir().unwrap());
    let args = TrainingArguments {
        hub_strategy: HubStrategy::AllCheckpoints,
        hub_revision: Some("experiment".to_owned()),
        save_total_limit: Some(1),
        ..pushing(dir.path())
    };
    // The first checkpoint is gone from the disk before it is on the hub.
    server.fail("POST commit", 2, Fault::Late(Duration::from_millis(700)));
    let (_, push) = train(&server, dir.path(), args);
    assert_eq!((push.uploads, push.failed), (5, 0), "{push:?}");
    let (messages, files) = pushed(&server, REPO, "experiment");
    assert_eq!(messages.last().map(String::as_str), Some("End of training"));
    for name in ["checkpoint-2/optimizer.safetensors", "checkpoint-4/trainer_state.json", "model.safetensors"] {
        assert!(files.contains_key(name), "{name}: {:?}", files.keys());
    }
    assert!(!dir.path().join("run/checkpoint-2").exists());
}

#[test]
fn a_checkpoint_is_left_out_while_another_is_uploaded() {
    let (server, dir) = (Server::start(), tempfile::tempdir().unwrap());
    let args = TrainingArguments { save_steps: 1.0, hub_always_push: false, ..pushing(dir.path()) };
    server.fail("POST commit", 1, Fault::Late(Duration::from_secs(4)));
    let (_, push) = train(&server, dir.path(), args);
    let (messages, _) = pushed(&server, REPO, "main");
    assert!((2..=4).contains(&messages.len()), "{messages:?}");
    assert_eq!(
        (messages[0].as_str(), messages[messages.len() - 1].as_str()),
        ("Training in progress, step 1", "End of training")
    );
    assert_eq!((push.uploads, push.failed), (messages.len(), 0));
}

/// Fails when training is over.
struct Spoiler;

impl Callback for Spoiler {
    fn name(&self) -> String {
        "spoiler".to_owned()
    }

    fn on_train_end(&mut self, _: CallbackContext<'_>, _: &mut TrainerControl) -> Result<()> {
        Err(Error::Argument { key: "spoiler", value: "1".to_owned(), expected: "nothing".into() })
    }
}

#[test]
fn the_model_is_uploaded_whatever_another_callback_does() {
    let (server, dir) = (Server::start(), tempfile::tempdir().unwrap());
    let trainer = trainer(pushing(dir.path())).train_dataset(rows(16)).callback(Spoiler);
    let error = trainer.hub(hub(&server, Some(WRITE), dir.path())).train().unwrap_err().to_string();
    assert!(error.contains("spoiler"), "{error}");
    let (messages, _) = pushed(&server, REPO, "main");
    assert_eq!(messages.last().unwrap(), "End of training");
}

#[test]
fn an_upload_that_fails_ends_no_run() {
    let (server, dir) = (Server::start(), tempfile::tempdir().unwrap());
    server.fail("POST commit", 1000, Fault::Status(403, Vec::new()));
    let (output, push) = train(&server, dir.path(), pushing(dir.path()));
    assert_eq!((output.global_step, push.uploads, push.failed, push.url), (4, 3, 3, None));
    let error = push.last_error.unwrap();
    assert!(error.contains(REPO) && !error.contains(WRITE) && !error.contains('\n'), "{error}");
    assert!(dir.path().join("run/model.safetensors").exists());
}

#[test]
fn a_token_that_may_not_write_is_found_out_before_the_first_step() {
    let (server, dir) = (Server::start(), tempfile::tempdir().unwrap());
    for token in [None, Some(READ), Some("hf_nobody")] {
        let error = try_train(&server, token, dir.path(), pushing(dir.path())).err().map(|error| error.to_string());
        let error = error.unwrap_or_default();
        assert!(error.starts_with("`push_to_hub`: ") && !error.contains("hf_"), "{token:?}: {error}");
        assert!(!dir.path().join("run/checkpoint-2").exists() && !dir.path().join("run/trainer_state.json").exists());
    }
}
