//! Runs as they are written, right and wrong.

use colburn::eval::EvaluatorConfig;
use colburn::loss::LossConfig;
use colburn::train::EarlyStoppingCallback;

use super::{CallbackConfig, RunConfig};

const RUN: &str = r#"
[model]
name_or_path = "models/bert"
query_length = 16

[loss]
type = "contrastive"
temperature = 0.5

[data]
train = "train.jsonl"
test_size = 0.1

[[evaluators]]
type = "triplet"

[training]
output_dir = "output/run"
learning_rate = 1
device = "flex"
"#;

fn error(text: &str, set: &[&str]) -> String {
    let set: Vec<String> = set.iter().map(|&assignment| assignment.to_owned()).collect();
    let message = RunConfig::parse(text, "RUN.toml", &set).unwrap_err().to_string();
    assert!(!message.contains('\n'), "{message}");
    message
}

#[test]
fn a_run_is_read() {
    let run = RunConfig::parse(RUN, "RUN.toml", &[]).unwrap();
    assert_eq!(run.model.name_or_path, "models/bert");
    assert_eq!(run.model.options.query_length, Some(16));
    let LossConfig::Contrastive(loss) = &run.loss else { panic!("{:?}", run.loss) };
    assert!(loss.temperature == 0.5 && loss.size_average);
    assert_eq!(run.data.test_size, Some(0.1));
    assert_eq!(run.evaluators.len(), 1);
    assert_eq!(run.training.learning_rate, 1.0);
    assert_eq!(run.training.device.as_deref(), Some("flex"));
}

#[test]
fn a_model_card_is_described() {
    let card = "[model_card]\nlanguage = \"en\"\nlicense = \"mit\"\ntags = [\"legal\"]\n\n[[model_card.train_datasets]]\nid = \"a/b\"\n";
    let run = RunConfig::parse(&format!("{RUN}{card}"), "RUN.toml", &["model_card.model_id=\"org/name\"".to_owned()]);
    let card = run.unwrap().model_card;
    assert_eq!((card.language.as_slice(), card.license.as_deref()), (&["en".to_owned()][..], Some("mit")));
    assert_eq!((card.model_id.as_deref(), card.train_datasets[0].id.as_deref()), (Some("org/name"), Some("a/b")));
    assert!(card.create_model_card);
    assert_eq!(
        error(RUN, &["model_card.licence=\"mit\""]),
        "--set model_card.licence=\"mit\": unknown key \"licence\" in [model_card]; did you mean \"license\"?"
    );
    let message = error(RUN, &["model_card.language=5"]);
    assert!(message.contains("language") && message.contains("a text or a list of texts"), "{message}");
}

#[test]
fn assignments_come_after_the_file() {
    let set = ["training.learning_rate=1e-5", "training.output_dir=output/other", "model.skiplist_words=[\".\"]"];
    let run = RunConfig::parse(RUN, "RUN.toml", &set.map(str::to_owned)).unwrap();
    assert_eq!(run.training.learning_rate, 1e-5);
    assert_eq!(run.training.output_dir.to_str(), Some("output/other"));
    assert_eq!(run.model.options.skiplist_words, Some(vec![".".to_owned()]));
}

#[test]
fn unknown_keys_name_the_nearest() {
    assert_eq!(
        error(&RUN.replace("learning_rate", "learning_rat"), &[]),
        "RUN.toml:19: unknown key \"learning_rat\" in [training]; did you mean \"learning_rate\"?"
    );
    assert_eq!(
        error(RUN, &["training.learning_rat=1"]),
        "--set training.learning_rat=1: unknown key \"learning_rat\" in [training]; did you mean \"learning_rate\"?"
    );
    assert_eq!(
        error(&RUN.replace("query_length", "learning_rate"), &[]),
        "RUN.toml:4: unknown key \"learning_rate\" in [model]; it belongs in [training]"
    );
    // A key of the same section comes before one of the same name elsewhere: [evaluators] has `name`.
    assert_eq!(
        error(&RUN.replace("name_or_path", "name"), &[]),
        "RUN.toml:3: unknown key \"name\" in [model]; did you mean \"name_or_path\"?"
    );
    assert_eq!(
        error(&RUN.replace("[training]", "[trainig]"), &[]),
        "RUN.toml:17: unknown section [trainig]; did you mean [training]?"
    );
    assert_eq!(
        error(&format!("seed = 1\n{RUN}"), &[]),
        "RUN.toml:1: unknown key \"seed\" outside a section; it belongs in [model] or [training]"
    );
    assert_eq!(
        error(&RUN.replace("temperature", "quux"), &[]),
        "RUN.toml:8: unknown key \"quux\" in [loss]; the loss \"contrastive\" has the keys type, temperature, size_average, \
         score_metric, k, gather_across_devices"
    );
    assert_eq!(
        error(&RUN.replace("type = \"triplet\"", "type = \"triplet\"\nat_k = 5"), &[]),
        "RUN.toml:16: unknown key \"at_k\" in [evaluators]; the evaluator \"triplet\" has the keys type, name, path, batch_size, \
         query_prompt, query_prompt_name, corpus_prompt, corpus_prompt_name"
    );
}

#[test]
fn values_of_a_wrong_type_name_the_key() {
    assert_eq!(
        error(RUN, &["training.learning_rate=fast"]),
        "--set training.learning_rate=fast: learning_rate in [training]: invalid type: string \"fast\", expected a number"
    );
    assert_eq!(
        error(&RUN.replace("query_length = 16", "query_length = -1"), &[]),
        "RUN.toml:4: query_length in [model]: invalid value: integer `-1`, expected a whole number from 0"
    );
    assert_eq!(error("training = 3", &[]), "RUN.toml:1: [training] must be a table of keys, not an integer");
    let without = RUN.replace("[[evaluators]]\ntype = \"triplet\"", "");
    assert_eq!(
        error(&format!("evaluators = 3\n{without}"), &[]),
        "RUN.toml:1: [[evaluators]] must be an array of tables, not an integer"
    );
    assert_eq!(
        error(RUN, &["training.device=1"]),
        "--set training.device=1: device in [training]: invalid type: integer `1`, expected a text"
    );
}

#[test]
fn what_does_not_exist_yet_is_refused_with_what_does() {
    assert_eq!(
        error(&RUN.replace("\"contrastive\"", "\"triplet_margin\""), &[]),
        "RUN.toml:7: type in [loss]: \"triplet_margin\" is not supported; supported: contrastive, cached_contrastive, \
         distillation, margin_mse, xtr_contrastive, xtr_distillation"
    );
    assert_eq!(
        error(&RUN.replace("\"triplet\"", "\"binary_classification\""), &[]),
        "RUN.toml:15: type in [evaluators]: \"binary_classification\" is not supported; supported: triplet, nano_beir, \
         information_retrieval, distillation, reranking"
    );
    assert_eq!(
        error(RUN, &["callbacks=[{type=\"wandb\"}]"]),
        "--set callbacks=[{type=\"wandb\"}]: type in [callbacks]: \"wandb\" is not supported; supported: early_stopping"
    );
}

#[test]
fn missing_and_contradicting_keys_are_named() {
    assert_eq!(error("", &[]), "RUN.toml: [model] needs name_or_path");
    assert_eq!(error(&RUN.replace("train = \"train.jsonl\"", ""), &[]), "RUN.toml: [data] needs train");
    assert_eq!(
        error(RUN, &["data.eval=test.jsonl"]),
        "RUN.toml:12: test_size in [data]: there is eval, too; keep one of them"
    );
    assert_eq!(
        error(&RUN.replace("test_size = 0.1", ""), &[]),
        "RUN.toml:14: path in [evaluators]: it is missing, and there is no eval data to take the rows from: give [data] eval or \
         test_size, or path here"
    );
    assert_eq!(
        error(RUN, &["data.queries=q.jsonl", "data.documents=d.jsonl"]),
        "RUN.toml:14: path in [evaluators]: it is missing, and the eval data holds a teacher's scores; rows of query, positive \
         and negative are expected"
    );
    let nothing = RUN.replace("test_size = 0.1", "").replace("[[evaluators]]\ntype = \"triplet\"", "");
    assert_eq!(
        error(&nothing, &["training.do_train=false"]),
        "--set training.do_train=false: do_train in [training]: false, so the run evaluates, but there is nothing to evaluate: give [data] \
         eval or test_size, or [[evaluators]]"
    );
}

#[test]
fn only_a_run_that_trains_needs_rows_to_train_on() {
    let run = RUN.replace("train = \"train.jsonl\"\ntest_size = 0.1", "eval = \"eval.jsonl\"");
    assert_eq!(error(&run, &[]), "RUN.toml: [data] needs train");
    assert!(RunConfig::parse(&run, "RUN.toml", &["training.do_train=false".to_owned()]).is_ok());
}

#[test]
fn callbacks_are_read() {
    let set = ["callbacks=[{type=\"early_stopping\", early_stopping_patience=3}]".to_owned()];
    let run = RunConfig::parse(RUN, "RUN.toml", &set).unwrap();
    assert_eq!(run.callbacks, [CallbackConfig::EarlyStopping(EarlyStoppingCallback::new(3))]);
    assert_eq!(
        error(RUN, &["callbacks=[{type=\"early_stopping\"}, {type=\"early_stopping\"}]"]),
        "--set callbacks=[{type=\"early_stopping\"}, {type=\"early_stopping\"}]: type in [callbacks]: two callbacks are of this \
         type; keep one of them"
    );
    assert_eq!(
        error(RUN, &["callbacks=[{type=\"early_stopping\", patience=1}]"]),
        "--set callbacks=[{type=\"early_stopping\", patience=1}]: unknown key \"patience\" in [callbacks]; did you mean \
         \"early_stopping_patience\"?"
    );
}

#[test]
fn a_cached_loss_sets_the_mini_batch_size() {
    let run = |set: &[&str]| {
        let set: Vec<String> = set.iter().map(|&set| set.to_owned()).collect();
        RunConfig::parse(RUN, "RUN.toml", &set).unwrap().training.mini_batch_size
    };
    assert_eq!(run(&[]), None);
    assert_eq!(run(&["loss.type=cached_contrastive"]), Some(32));
    assert_eq!(run(&["loss.type=cached_contrastive", "loss.mini_batch_size=4"]), Some(4));
    assert_eq!(run(&["loss.type=cached_contrastive", "training.mini_batch_size=4"]), Some(4));
    assert_eq!(
        error(RUN, &["loss.type=cached_contrastive", "loss.mini_batch_size=4", "training.mini_batch_size=8"]),
        "--set loss.mini_batch_size=4: mini_batch_size in [loss]: 4, but in [training] it is 8; a run has one, so keep one of them"
    );
}

#[test]
fn tables_and_names_within_training_are_read() {
    let set = [
        "training.lr_scheduler_type=cosine",
        "training.lr_scheduler_kwargs.num_cycles=2",
        "training.learning_rate_mapping.'^1_Dense'=1e-4",
        "training.report_to=none",
        "training.resume_from_checkpoint=true",
    ];
    let run = RunConfig::parse(RUN, "RUN.toml", &set.map(str::to_owned)).unwrap();
    assert_eq!(run.training.lr_scheduler_kwargs["num_cycles"], 2);
    assert_eq!(run.training.learning_rate_mapping["^1_Dense"], 1e-4);
    assert_eq!(run.training.report_to.reporters().unwrap(), []);
    assert_eq!(run.training.resume_from_checkpoint, colburn::train::ResumeFromCheckpoint::Last);
    run.training.validate().unwrap();
    let text = format!("{RUN}report_to = [\"tensorboard\"]\n[training.lr_scheduler_kwargs]\nnum_cycles = 2\n");
    let run = RunConfig::parse(&text, "RUN.toml", &[]).unwrap();
    assert_eq!(run.training.lr_scheduler_kwargs["num_cycles"], 2);
    assert_eq!(
        error(RUN, &["training.lr_scheduler_kwargs=2"]),
        "--set training.lr_scheduler_kwargs=2: lr_scheduler_kwargs in [training]: invalid type: integer `2`, expected a map"
    );
}

#[test]
fn evaluators_are_told_apart_by_their_names() {
    let second = |name: &str| format!("{RUN}\n[[evaluators]]\ntype = \"triplet\"\n{name}\n");
    let run = RunConfig::parse(&second("name = \"hard\""), "RUN.toml", &[]).unwrap();
    let name = |evaluator: &EvaluatorConfig| match evaluator {
        EvaluatorConfig::Triplet(settings) => settings.name.clone(),
        other => panic!("{other:?}"),
    };
    assert_eq!(run.evaluators.iter().map(name).collect::<Vec<_>>(), ["", "hard"]);
    assert_eq!(
        error(&second(""), &[]),
        "RUN.toml:22: name in [evaluators]: two have no name; give each one a `name` of its own"
    );
    let twice = "evaluators=[{type=\"triplet\", name=\"a\"}, {type=\"triplet\", name=\"a\"}]";
    assert_eq!(
        error(RUN, &[twice]),
        format!("--set {twice}: name in [evaluators]: two have the name \"a\"; give each one a `name` of its own")
    );
    assert!(error(&second("name = \"a/b\""), &[]).contains("\"a/b\" becomes part of a file's name"));
}

#[test]
fn the_examples_are_runs_and_the_first_is_the_one_in_the_readme() {
    let example = include_str!("../../../../examples/run.toml");
    let run = RunConfig::parse(example, "run.toml", &[]).unwrap();
    run.training.validate().unwrap();
    assert!(include_str!("../../../../README.md").contains(example));

    let example = include_str!("../../../../examples/distillation.toml");
    let run = RunConfig::parse(example, "distillation.toml", &[]).unwrap();
    run.training.validate().unwrap();
    assert!(matches!(run.loss, LossConfig::Distillation(_)));
}

#[test]
fn broken_toml_names_the_line() {
    assert!(error("[model]\nname_or_path = ", &[]).starts_with("RUN.toml:2: "));
}
