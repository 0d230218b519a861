//! A resumed run equals the run that was not stopped: the same bytes, the same log. Changes of the run are noticed.

use std::fs;
use std::path::Path;

use burn::tensor::Device;
use colburn_data::Sampling;
use colburn_eval::TripletEvaluator;
use colburn_loss::{Contrastive, Distillation};
use colburn_model::{ColBert, ColBertOptions};
use colburn_train::{
    EarlyStoppingCallback, IntervalStrategy, ResumeFromCheckpoint, SaveStrategy, TrainOutput, Trainer, TrainerState,
    TrainingArguments,
};

use crate::common::{
    arguments, fixture, refused, rows, scored, tiny, tiny_with_dropout, trainer, with_warnings, without_times,
};

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let to = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &to);
        } else {
            fs::copy(&path, &to).unwrap();
        }
    }
}

/// Everything that a run can have at once: dropout, accumulation with an incomplete last group, mini-batches, two datasets with a loss
/// each, batches by length, a log that is not in step with the checkpoints, evaluations, early stopping that does not come.
fn everything(output_dir: &Path, resume: ResumeFromCheckpoint) -> TrainOutput {
    let args = TrainingArguments {
        num_train_epochs: 2.0,
        gradient_accumulation_steps: 3,
        mini_batch_size: Some(3),
        train_sampling_strategy: Sampling::GroupByLength,
        logging_steps: 2.0,
        eval_strategy: IntervalStrategy::Steps,
        eval_steps: Some(1.0),
        save_steps: 1.0,
        load_best_model_at_end: true,
        weight_decay: 0.01,
        resume_from_checkpoint: resume,
        ..arguments(output_dir)
    };
    let eval = rows(48).slice(40..48).unwrap();
    Trainer::new(tiny_with_dropout(), Contrastive::default(), args)
        .named_train_dataset("triplets", rows(18))
        .named_train_dataset("scored", scored(10))
        .loss_for("scored", Distillation::default())
        .evaluator(TripletEvaluator::new(&eval).unwrap())
        .eval_dataset(eval)
        .callback(EarlyStoppingCallback::new(100))
        .handle_interrupt(false)
        .train()
        .unwrap()
}

fn same(found: &Path, expected: &Path, output: &TrainOutput, whole: &TrainOutput) {
    for name in ["model.safetensors", "1_Dense/model.safetensors", "config.json", "tokenizer.json"] {
        assert_eq!(fs::read(found.join(name)).unwrap(), fs::read(expected.join(name)).unwrap(), "{name}");
    }
    assert_eq!(without_times(&output.state.log_history), without_times(&whole.state.log_history));
    let without_log = |state: &TrainerState| {
        let best = state.best_model_checkpoint.as_deref().and_then(|best| Path::new(best).file_name()?.to_str());
        let best = best.map(str::to_owned);
        TrainerState { log_history: Vec::new(), best_model_checkpoint: best, ..state.clone() }
    };
    assert_eq!(without_log(&output.state), without_log(&whole.state));
    assert_eq!(output.training_loss, whole.training_loss);
}

#[test]
fn from_every_step_to_the_same_bytes() {
    let whole_dir = tempfile::tempdir().unwrap();
    let whole = everything(whole_dir.path(), ResumeFromCheckpoint::No);
    // 5 batches of the triplets and 3 of the scored rows, accumulated by 3: 3 steps an epoch
    assert_eq!((whole.global_step, whole.state.num_train_epochs), (6, 2));
    let csv = |dir: &Path| fs::read_to_string(dir.join("eval/triplet_evaluation_results.csv")).unwrap();
    for step in 1..=6 {
        let dir = tempfile::tempdir().unwrap();
        let checkpoint = format!("checkpoint-{step}");
        copy(&whole_dir.path().join(&checkpoint), &dir.path().join(&checkpoint));
        // What the stopped run had written after its checkpoint.
        copy(&whole_dir.path().join("eval"), &dir.path().join("eval"));
        copy(&whole_dir.path().join("checkpoint-1"), &dir.path().join("checkpoint-1"));
        if let Some(best) = &whole.state.best_model_checkpoint {
            let name = Path::new(best).file_name().unwrap();
            copy(Path::new(best), &dir.path().join(name));
        }
        let named = ResumeFromCheckpoint::From(dir.path().join(&checkpoint));
        let resumed = everything(dir.path(), named);
        same(dir.path(), whole_dir.path(), &resumed, &whole);
        assert_eq!(csv(dir.path()), csv(whole_dir.path()), "from step {step}");
    }
}

/// The actions at the end of an epoch are not lost between the checkpoint of its last step and the next epoch.
#[test]
fn the_end_of_an_epoch_comes_once() {
    let run = |dir: &Path, resume: ResumeFromCheckpoint| {
        let args = TrainingArguments {
            num_train_epochs: 2.0,
            save_steps: 1.0,
            logging_strategy: IntervalStrategy::Epoch,
            eval_strategy: IntervalStrategy::Epoch,
            resume_from_checkpoint: resume,
            ..arguments(dir)
        };
        let evaluator = TripletEvaluator::new(rows(4)).unwrap();
        trainer(args).train_dataset(rows(8)).evaluator(evaluator).eval_dataset(rows(4)).train().unwrap()
    };
    let csv = |dir: &Path| fs::read_to_string(dir.join("eval/triplet_evaluation_results.csv")).unwrap();
    let whole_dir = tempfile::tempdir().unwrap();
    let whole = run(whole_dir.path(), ResumeFromCheckpoint::No);
    for step in 1..=4 {
        let dir = tempfile::tempdir().unwrap();
        let name = format!("checkpoint-{step}");
        copy(&whole_dir.path().join(&name), &dir.path().join(&name));
        copy(&whole_dir.path().join("eval"), &dir.path().join("eval"));
        let resumed = run(dir.path(), ResumeFromCheckpoint::Last);
        same(dir.path(), whole_dir.path(), &resumed, &whole);
        assert_eq!(csv(dir.path()), csv(whole_dir.path()), "from step {step}");
    }
}

#[test]
fn a_damaged_checkpoint_is_passed_over_unless_it_was_named() {
    let dir = tempfile::tempdir().unwrap();
    let args = TrainingArguments {
        num_train_epochs: 1.0,
        save_strategy: SaveStrategy::Steps,
        save_steps: 1.0,
        ..arguments(dir.path())
    };
    let whole = trainer(args.clone()).train_dataset(rows(16)).train().unwrap();
    let weights = fs::read(dir.path().join("model.safetensors")).unwrap();

    let newest = dir.path().join("checkpoint-4");
    let mut bytes = fs::read(newest.join("optimizer.safetensors")).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(newest.join("optimizer.safetensors"), bytes).unwrap();
    fs::remove_file(dir.path().join("checkpoint-3/trainer_state.json")).unwrap();
    fs::write(dir.path().join("model.safetensors"), "to be replaced").unwrap();

    let named = TrainingArguments { resume_from_checkpoint: ResumeFromCheckpoint::From(newest), ..args.clone() };
    let message = refused(trainer(named).train_dataset(rows(16)));
    assert!(message.contains("checkpoint-4") && message.contains("optimizer.safetensors was changed"), "{message}");

    let other_data = TrainingArguments { resume_from_checkpoint: ResumeFromCheckpoint::Last, ..args };
    let message = refused(trainer(other_data.clone()).train_dataset(rows(12)));
    assert!(message.contains("had 16 training rows, this one has 12"), "{message}");

    let resumed = trainer(other_data).train_dataset(rows(16)).train().unwrap();
    assert_eq!(without_times(&resumed.state.log_history), without_times(&whole.state.log_history));
    assert_eq!(fs::read(dir.path().join("model.safetensors")).unwrap(), weights);
}

#[test]
fn there_must_be_something_to_resume_from() {
    let dir = tempfile::tempdir().unwrap();
    let args = TrainingArguments { resume_from_checkpoint: ResumeFromCheckpoint::Last, ..arguments(dir.path()) };
    assert!(refused(trainer(args).train_dataset(rows(8))).contains("holds no checkpoint to resume from (0 damaged)"));
}

/// A million steps into a run of many epochs: nothing is gone through to get there.
#[test]
fn a_late_start_takes_no_replay() {
    let dir = tempfile::tempdir().unwrap();
    let args = TrainingArguments {
        max_steps: 1_000_002,
        save_steps: 1.0,
        save_total_limit: Some(1),
        logging_steps: 1_000_000.0,
        ..arguments(dir.path())
    };
    // The checkpoint of step 1 of such a run, moved to step 1,000,000.
    let short = TrainingArguments { max_steps: 1, ..args.clone() };
    trainer(short).train_dataset(rows(8)).train().unwrap();
    let checkpoint = dir.path().join("checkpoint-1");
    let mut state = TrainerState::load(&checkpoint).unwrap();
    state.global_step = 1_000_000;
    state.stateful_callbacks.get_mut("LoopState").unwrap()["attributes"]["cursor"] = 1_000_000.into();
    state.stateful_callbacks.get_mut("LoopState").unwrap()["attributes"]["epoch"] = serde_json::Value::Null;
    state.save(&checkpoint).unwrap();
    let read = |name: &str| fs::read(checkpoint.join(name)).unwrap();
    let mut manifest: serde_json::Value = serde_json::from_slice(&read("manifest.json")).unwrap();
    let bytes = read("trainer_state.json");
    manifest["files"]["trainer_state.json"] =
        serde_json::json!({"size": bytes.len(), "crc32": crc32fast::hash(&bytes)});
    fs::write(checkpoint.join("manifest.json"), manifest.to_string()).unwrap();

    let args = TrainingArguments { resume_from_checkpoint: ResumeFromCheckpoint::Last, ..args };
    let started = std::time::Instant::now();
    let output = trainer(args).train_dataset(rows(8)).train().unwrap();
    assert_eq!((output.global_step, output.state.epoch), (1_000_002, 500_001.0));
    assert!(started.elapsed().as_secs() < 20, "{:?}", started.elapsed());
}

/// A run of two steps with a checkpoint after the first, which is then resumed by another run.
fn first_half(dir: &Path) -> TrainingArguments {
    let args = TrainingArguments { num_train_epochs: 1.0, save_steps: 1.0, ..arguments(dir) };
    trainer(args.clone()).train_dataset(rows(8)).eval_dataset(rows(4)).train().unwrap();
    fs::remove_dir_all(dir.join("checkpoint-2")).unwrap();
    TrainingArguments { resume_from_checkpoint: ResumeFromCheckpoint::Last, ..args }
}

/// The warning about changes when this trainer resumes.
fn noticed(trainer: Trainer) -> Option<String> {
    let trainer = trainer.handle_interrupt(false).eval_dataset(rows(4));
    let (output, warnings) = with_warnings(|| trainer.train().unwrap());
    assert_eq!(output.global_step, 2);
    warnings.into_iter().find(|warning| warning.contains("resumed with changed arguments"))
}

#[test]
fn without_changes_there_is_no_warning() {
    let dir = tempfile::tempdir().unwrap();
    let args = first_half(dir.path());
    assert_eq!(noticed(trainer(args).train_dataset(rows(8))), None);
}

#[test]
fn a_changed_argument_is_noticed() {
    let dir = tempfile::tempdir().unwrap();
    let args = TrainingArguments { bf16: true, weight_decay: 0.5, ..first_half(dir.path()) };
    assert_eq!(
        noticed(trainer(args).train_dataset(rows(8))).unwrap(),
        "resumed with changed arguments (bf16 false -> true, weight_decay 0.0 -> 0.5); results will differ from an uninterrupted run"
    );
}

#[test]
fn a_changed_loss_is_noticed() {
    let dir = tempfile::tempdir().unwrap();
    let args = first_half(dir.path());
    let loss = Contrastive { temperature: 0.5, ..Contrastive::default() };
    assert_eq!(
        noticed(Trainer::new(tiny(), loss, args).train_dataset(rows(8))).unwrap(),
        "resumed with changed arguments (temperature of the train loss 1.0 -> 0.5, temperature of the eval loss 1.0 -> 0.5); results \
         will differ from an uninterrupted run"
    );
}

#[test]
fn changed_rows_are_noticed() {
    let dir = tempfile::tempdir().unwrap();
    let args = first_half(dir.path());
    let others = rows(16).slice(8..16).unwrap();
    assert_eq!(
        noticed(trainer(args).train_dataset(others)).unwrap(),
        "resumed with changed arguments (rows of the train data); results will differ from an uninterrupted run"
    );
}

/// The weights of a checkpoint with token ids or lengths of another model would train something else.
#[test]
fn another_model_is_refused_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let args = first_half(dir.path());
    let with = |options: ColBertOptions| {
        let model = ColBert::from_pretrained_with(fixture("tiny-colbert"), &options, &Device::flex()).unwrap();
        refused(
            Trainer::new(model, Contrastive::default(), args.clone()).handle_interrupt(false).train_dataset(rows(8)),
        )
    };
    let message = with(ColBertOptions { query_length: Some(7), ..ColBertOptions::default() });
    let length = tiny().config().query_length;
    assert!(message.contains("checkpoint-1 cannot be used: its model is not that of this run"), "{message}");
    assert!(message.contains(&format!("query_length: 7 here, {length} there")), "{message}");
    let message = with(ColBertOptions { query_prefix: Some("[X] ".to_owned()), ..ColBertOptions::default() });
    assert!(message.contains("query_prefix"), "{message}");
}

/// A checkpoint of format version 1: no version in the manifest, and the loop state under its first name.
#[test]
fn a_checkpoint_of_the_first_format_is_resumed() {
    let dir = tempfile::tempdir().unwrap();
    let args = first_half(dir.path());
    let whole = fs::read(dir.path().join("model.safetensors")).unwrap();
    let checkpoint = dir.path().join("checkpoint-1");
    let read = |name: &str| -> serde_json::Value {
        serde_json::from_slice(&fs::read(checkpoint.join(name)).unwrap()).unwrap()
    };
    let write = |name: &str, value: &serde_json::Value| fs::write(checkpoint.join(name), value.to_string()).unwrap();

    let mut state = read("trainer_state.json");
    let callbacks = state["stateful_callbacks"].as_object_mut().unwrap();
    let mut counted = callbacks.remove("LoopState").unwrap();
    counted["args"] = serde_json::json!({});
    callbacks.insert("Tally".to_owned(), counted);
    write("trainer_state.json", &state);
    let mut args_then = read("training_args.json");
    args_then.as_object_mut().unwrap().remove("optim");
    write("training_args.json", &args_then);
    let mut manifest = read("manifest.json");
    assert_eq!(manifest["format_version"], 2);
    manifest.as_object_mut().unwrap().remove("format_version");
    for name in ["trainer_state.json", "training_args.json"] {
        let bytes = fs::read(checkpoint.join(name)).unwrap();
        manifest["files"][name] = serde_json::json!({"size": bytes.len(), "crc32": crc32fast::hash(&bytes)});
    }
    write("manifest.json", &manifest);

    assert_eq!(noticed(trainer(args.clone()).train_dataset(rows(8))), None);
    assert_eq!(fs::read(dir.path().join("model.safetensors")).unwrap(), whole);

    manifest["format_version"] = 3.into();
    write("manifest.json", &manifest);
    fs::remove_dir_all(dir.path().join("checkpoint-2")).unwrap();
    let message = refused(trainer(args).train_dataset(rows(8)).eval_dataset(rows(4)));
    assert_eq!(
        message,
        "checkpoint-1 has format version 3; this colburn reads up to 2; update colburn to resume from it"
    );
}

#[test]
fn a_damaged_loop_state_is_reported() {
    let dir = tempfile::tempdir().unwrap();
    let args = first_half(dir.path());
    let checkpoint = dir.path().join("checkpoint-1");
    let mut state = TrainerState::load(&checkpoint).unwrap();
    state.stateful_callbacks.get_mut("LoopState").unwrap()["attributes"]["cursor"] = "one".into();
    state.save(&checkpoint).unwrap();
    let mut manifest: serde_json::Value =
        serde_json::from_slice(&fs::read(checkpoint.join("manifest.json")).unwrap()).unwrap();
    let bytes = fs::read(checkpoint.join("trainer_state.json")).unwrap();
    manifest["files"]["trainer_state.json"] =
        serde_json::json!({"size": bytes.len(), "crc32": crc32fast::hash(&bytes)});
    fs::write(checkpoint.join("manifest.json"), manifest.to_string()).unwrap();
    let message = refused(trainer(args).train_dataset(rows(8)));
    assert!(
        message.contains("the state of the loop in its trainer_state.json cannot be read: invalid type"),
        "{message}"
    );
}
