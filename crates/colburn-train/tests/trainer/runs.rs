//! The files that a run leaves, and its errors.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use burn::tensor::Device;
use colburn_data::Dataset;
use colburn_eval::TripletEvaluator;
use colburn_model::{ColBert, EncodeOptions, Kind};
use colburn_train::{IntervalStrategy, LogEntry, SaveStrategy, TrainOutput, TrainerState, TrainingArguments};
use safetensors::SafeTensors;
use serde_json::Value;

use crate::common::{arguments, refused, rows, trainer};

fn names(dir: &Path) -> BTreeSet<String> {
    fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

/// The steps that were logged, and what of them.
pub fn kinds(output: &TrainOutput) -> Vec<(u64, &'static str)> {
    let kind = |entry: &LogEntry| {
        let kind = ["loss", "eval_loss", "train_loss"].into_iter().find(|key| entry.contains_key(*key));
        (entry["step"].as_u64().unwrap(), kind.unwrap())
    };
    output.state.log_history.iter().map(kind).collect()
}

#[test]
fn a_run_logs_evaluates_and_saves_by_steps() {
    let dir = tempfile::tempdir().unwrap();
    let args = TrainingArguments {
        num_train_epochs: 2.0,
        logging_steps: 2.0,
        logging_first_step: true,
        eval_strategy: IntervalStrategy::Steps,
        eval_steps: Some(3.0),
        eval_on_start: true,
        save_steps: 2.0,
        save_total_limit: Some(2),
        ..arguments(dir.path())
    };
    // 18 rows in batches of 4: 5 steps an epoch
    let eval = rows(40).slice(30..40).unwrap();
    let output = trainer(args.clone())
        .train_dataset(rows(18))
        .evaluator(TripletEvaluator::new(&eval).unwrap())
        .eval_dataset(eval)
        .train()
        .unwrap();
    assert_eq!((output.global_step, output.interrupted), (10, false));

    let expected = [
        (0, "eval_loss"),
        (1, "loss"),
        (2, "loss"),
        (3, "eval_loss"),
        (4, "loss"),
        (6, "loss"),
        (6, "eval_loss"),
        (8, "loss"),
        (9, "eval_loss"),
        (10, "loss"),
        (10, "train_loss"),
    ];
    assert_eq!(kinds(&output), expected);
    let evaluated: Vec<&str> = output.state.log_history[0].keys().map(String::as_str).collect();
    assert_eq!(
        evaluated,
        [
            "epoch",
            "eval_accuracy",
            "eval_loss",
            "eval_runtime",
            "eval_samples_per_second",
            "eval_steps_per_second",
            "step"
        ]
    );
    let losses: Vec<f64> = output.state.log_history.iter().filter_map(|entry| entry.get("loss")?.as_f64()).collect();
    assert!(losses[losses.len() - 1] < losses[0], "{losses:?}");
    assert_eq!(output.metrics["train_loss"], output.training_loss);

    let expected = [
        ".lock",
        "README.md",
        "checkpoint-10",
        "checkpoint-8",
        "eval",
        "logs.jsonl",
        "report.html",
        "trainer_state.json",
        "1_Dense",
        "config.json",
        "config_sentence_transformers.json",
        "model.safetensors",
        "modules.json",
        "sentence_bert_config.json",
    ];
    let tokenizer = |name: &String| {
        name.starts_with("tokenizer") || name.starts_with("special_tokens") || name.starts_with("vocab")
    };
    let found: BTreeSet<String> = names(dir.path()).into_iter().filter(|name| !tokenizer(name)).collect();
    assert_eq!(found, expected.map(str::to_owned).into());
    let csv = fs::read_to_string(dir.path().join("eval/triplet_evaluation_results.csv")).unwrap();
    let lines: Vec<&str> = csv.lines().collect();
    assert_eq!(lines.len(), 5);
    assert!(lines[1].starts_with("0.0,0,") && lines[2].starts_with("0.6,3,"), "{csv}");

    let text = fs::read_to_string(dir.path().join("trainer_state.json")).unwrap();
    assert_eq!(text, serde_json::to_string_pretty(&output.state).unwrap() + "\n");
    same_model(&output.model, &ColBert::from_pretrained(dir.path(), &Device::flex()).unwrap());
    checkpoint(&dir.path().join("checkpoint-10"), &args, &output);
}

/// A checkpoint is a model that loads, and holds the rest that a run needs to go on.
fn checkpoint(path: &Path, args: &TrainingArguments, output: &TrainOutput) {
    same_model(&output.model, &ColBert::from_pretrained(path, &Device::flex()).unwrap());
    let read = |name: &str| serde_json::from_slice::<Value>(&fs::read(path.join(name)).unwrap()).unwrap();
    assert_eq!(serde_json::from_value::<TrainingArguments>(read("training_args.json")).unwrap(), *args);
    let scheduler = read("scheduler.json");
    assert_eq!(
        (scheduler["step"].as_u64(), scheduler["schedule"]["lr_scheduler_type"].as_str()),
        (Some(10), Some("linear"))
    );
    let state = TrainerState::load(path).unwrap();
    assert_eq!((state.global_step, state.epoch, state.max_steps), (10, 2.0, 10));
    assert_eq!(state.num_input_tokens_seen, output.state.num_input_tokens_seen);
    assert_eq!(state.stateful_callbacks["LoopState"]["attributes"]["steps_since_log"], 0);

    let bytes = fs::read(path.join("optimizer.safetensors")).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let weights = fs::read(path.join("model.safetensors")).unwrap();
    let weights = SafeTensors::deserialize(&weights).unwrap();
    let name = "encoder.layer.0.intermediate.dense.weight";
    for kind in ["exp_avg", "exp_avg_sq"] {
        assert_eq!(file.tensor(&format!("{kind}.{name}")).unwrap().shape(), weights.tensor(name).unwrap().shape());
    }
    assert_eq!(file.tensor("step.1_Dense.linear.weight").unwrap().data(), 10i64.to_le_bytes());
}

fn same_model(one: &ColBert, other: &ColBert) {
    let texts = ["who was the first king?", "a document about nothing much"];
    for kind in [Kind::Query, Kind::Document] {
        let encode = |model: &ColBert| model.encode(&texts, kind, &EncodeOptions::default()).unwrap();
        for (one, other) in encode(one).iter().zip(encode(other)) {
            assert_eq!(one.values, other.values);
        }
    }
}

#[test]
fn epochs_are_the_other_unit() {
    let dir = tempfile::tempdir().unwrap();
    let args = TrainingArguments {
        max_steps: 7,
        logging_strategy: IntervalStrategy::Epoch,
        eval_strategy: IntervalStrategy::Epoch,
        save_strategy: SaveStrategy::Epoch,
        ..arguments(dir.path())
    };
    let output = trainer(args).train_dataset(rows(18)).eval_dataset(rows(8)).train().unwrap();
    let logged: Vec<_> =
        output.state.log_history.iter().map(|entry| (entry["step"].as_u64(), entry["epoch"].as_f64())).collect();
    let (end, part) = ((Some(5), Some(1.0)), (Some(7), Some(1.4)));
    assert_eq!(logged, [end, end, part, part, part]);
    assert!(names(dir.path()).is_superset(&["checkpoint-5", "checkpoint-7"].map(str::to_owned).into()));
    assert_eq!((output.state.num_train_epochs, output.state.max_steps), (2, 7));
}

#[test]
fn the_seed_decides_everything() {
    let train = |seed: u64| {
        let dir = tempfile::tempdir().unwrap();
        let args = TrainingArguments {
            num_train_epochs: 1.0,
            save_strategy: SaveStrategy::No,
            train_sampling_strategy: Default::default(),
            seed,
            ..arguments(dir.path())
        };
        let output = trainer(args).train_dataset(rows(20)).train().unwrap();
        output.state.log_history.iter().filter_map(|entry| entry.get("loss")?.as_f64()).collect::<Vec<_>>()
    };
    assert_eq!(train(1), train(1));
    assert_ne!(train(1), train(2));
}

#[test]
fn what_cannot_be_is_said_before_the_run() {
    let dir = tempfile::tempdir().unwrap();
    let args = arguments(dir.path());
    assert!(refused(trainer(args.clone())).contains("there is no training data"));
    let wrong = TrainingArguments { learning_rate: -1.0, ..args.clone() };
    assert!(refused(trainer(wrong).train_dataset(rows(8))).contains("`learning_rate` is -1;"));
    let evaluate = TrainingArguments { eval_strategy: IntervalStrategy::Steps, ..args.clone() };
    assert!(refused(trainer(evaluate).train_dataset(rows(8))).contains("`eval_strategy` asks for evaluation"));
    let few = TrainingArguments { dataloader_drop_last: true, ..args.clone() };
    assert!(refused(trainer(few).train_dataset(rows(3))).contains("the train dataset has 3 rows"));
    let eval = rows(8);
    let evaluator = || TripletEvaluator::new(&eval).unwrap().name("dev");
    let twins = trainer(args.clone()).train_dataset(rows(8)).evaluator(evaluator()).evaluator(evaluator());
    assert!(refused(twins).contains("give the metric eval_dev_accuracy"));
    let single = Dataset::from_rows(&["query"], [vec!["a query".to_owned()]]).unwrap();
    assert!(refused(trainer(args.clone()).train_dataset(single)).contains("query"));

    let file = dir.path().join("taken");
    fs::write(&file, "").unwrap();
    let taken = TrainingArguments { output_dir: file.join("run"), ..args };
    assert!(refused(trainer(taken).train_dataset(rows(8))).contains("taken"));
}
