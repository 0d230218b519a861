//! Runs of all kinds: every loss, a teacher's scores in all their forms, several datasets, large batches, callbacks, and what is said
//! about it.

use std::fs;

use crate::workspace::Workspace;

/// The weights that a run has left.
fn weights(workspace: &Workspace, name: &str) -> Vec<u8> {
    fs::read(workspace.path(name).join("model.safetensors")).unwrap()
}

fn first_rows(workspace: &Workspace, name: &str, count: usize) -> String {
    let text = fs::read_to_string(workspace.path(name)).unwrap();
    text.split_inclusive('\n').take(count).collect()
}

#[test]
fn a_teacher_is_followed_whether_its_lists_are_lists_or_texts_and_its_ids_numbers_or_texts() {
    let workspace = Workspace::with_teacher();
    let eight = first_rows(&workspace, "kd/train.jsonl", 8);
    workspace.write("kd/eight.jsonl", &eight);
    workspace.succeed("train RUN.toml --set data.train=kd/eight.jsonl");
    let (losses, expected) = (workspace.logged("loss"), weights(&workspace, "output/run"));
    assert!(losses.len() == 3 && losses.iter().all(|loss| *loss > 0.0), "{losses:?}");
    assert_ne!(expected, fs::read(workspace.path("model/model.safetensors")).unwrap());

    workspace.succeed("train RUN.toml --set data.train=kd/train_str.parquet --set training.output_dir=texts");
    assert_eq!(weights(&workspace, "texts"), expected);

    // {"query_id": 1, …} and {"query_id": "1", …} are the same query.
    let quoted = eight.lines().map(|line| {
        let (id, rest) = line.strip_prefix("{\"query_id\": ").unwrap().split_once(',').unwrap();
        format!("{{\"query_id\": \"{id}\",{rest}\n")
    });
    workspace.write("kd/quoted.jsonl", quoted.collect::<String>());
    workspace.succeed("train RUN.toml --set data.train=kd/quoted.jsonl --set training.output_dir=quoted");
    assert_eq!(weights(&workspace, "quoted"), expected);
}

#[test]
fn a_document_that_is_missing_is_counted_once() {
    let workspace = Workspace::with_teacher();
    let (_, said) = workspace.succeed_and_say("train RUN.toml --set data.n_ways=8 --set training.max_steps=1");
    let warnings: Vec<&str> = said.lines().filter(|line| line.contains("WARN")).collect();
    assert_eq!(warnings.len(), 1, "{said}");
    assert!(warnings[0].contains("1 of the 320 document_ids are not in kd/documents.jsonl"), "{said}");
}

#[test]
fn every_loss_trains() {
    let workspace = Workspace::with_teacher();
    let mut seen = Vec::new();
    for loss in ["type=distillation", "type=margin_mse", "type=xtr_distillation", "score_metric=xtr"] {
        workspace.succeed(&format!("train RUN.toml --set loss.{loss}"));
        seen.push(workspace.logged("loss"));
    }
    assert_eq!(seen[2], seen[3], "xtr_distillation is distillation by XTR's score");
    seen.pop();

    workspace.write("RUN.toml", crate::workspace::RUN);
    for loss in ["type=contrastive", "type=xtr_contrastive", "temperature=0.5", "size_average=false"] {
        workspace.succeed(&format!("train RUN.toml --set loss.{loss}"));
        seen.push(workspace.logged("loss"));
    }
    for (at, losses) in seen.iter().enumerate() {
        assert!(losses.len() == 3 && losses.iter().all(|loss| loss.is_finite()), "{losses:?}");
        assert!(!seen[..at].contains(losses), "two losses are the same: {seen:?}");
    }
}

/// PyLate's `CachedContrastive` is the same loss in less memory, and here `mini_batch_size` goes with every loss.
#[test]
fn a_cached_loss_is_the_loss() {
    let workspace = Workspace::with_teacher();
    let run = |arguments: &str| {
        workspace.succeed(&format!("train RUN.toml {arguments}"));
        [workspace.logged("loss"), workspace.logged("grad_norm")].concat()
    };
    let close = |a: &[f64], b: &[f64]| a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-4 * b.abs());
    // Normalised scores would make of a difference in the last digit one that is seen after two steps.
    let whole = run("--set loss.normalize_scores=false");
    let cached = run("--set loss.normalize_scores=false --set training.mini_batch_size=3");
    assert!(close(&cached, &whole) && cached != whole, "{cached:?} {whole:?}");

    workspace.write("RUN.toml", crate::workspace::RUN);
    let (whole, cached) = (run(""), run("--set loss.type=cached_contrastive --set loss.mini_batch_size=3"));
    assert!(close(&cached, &whole) && cached != whole, "{cached:?} {whole:?}");
    assert_eq!(workspace.json("output/run/checkpoint-3/training_args.json")["mini_batch_size"], 3);
}

/// Triplets and a teacher's scores, each with its own loss, in training and in evaluation.
const SEVERAL: &str = r#"
[model]
name_or_path = "model"

[loss]
type = "contrastive"

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

[[data.eval]]
name = "triplets"
path = "eval.jsonl"

[[data.eval]]
name = "scored"
path = "kd/eight.jsonl"
queries = "kd/queries.jsonl"
documents = "kd/documents.jsonl"
n_ways = 4

[[evaluators]]
type = "triplet"
path = "eval.jsonl"

[training]
output_dir = "output/run"
max_steps = 4
per_device_train_batch_size = 4
learning_rate = 1e-3
logging_steps = 1
eval_strategy = "steps"
eval_steps = 4
multi_dataset_batch_sampler = "round_robin"
lr_scheduler_type = "cosine"

[training.prompts.triplets]
positive = "paragraph: "

[training.lr_scheduler_kwargs]
num_cycles = 1.5

[training.learning_rate_mapping]
"^1_Dense" = 1e-4
"#;

#[test]
fn several_datasets_have_losses_prompts_and_evaluations_of_their_own() {
    let workspace = Workspace::with_teacher();
    workspace.write("kd/eight.jsonl", first_rows(&workspace, "kd/train.jsonl", 8));
    workspace.write("RUN.toml", SEVERAL);
    workspace.succeed("train RUN.toml");
    let (losses, triplets, scored) =
        (workspace.logged("loss"), workspace.logged("eval_triplets_loss"), workspace.logged("eval_scored_loss"));
    assert_eq!((losses.len(), triplets.len(), scored.len(), workspace.logged("eval_accuracy").len()), (4, 1, 1, 1));
    // Four queries of the one have 8 documents to choose from, and the scores of the other are close together.
    assert!(losses[0].min(losses[2]) > 1.0 && losses[1].max(losses[3]) < 1.0, "{losses:?}");

    let tokens = |arguments: &str| {
        workspace.succeed(&format!("train RUN.toml {arguments}"));
        workspace.json("output/run/trainer_state.json")["num_input_tokens_seen"].as_u64().unwrap()
    };
    let (prompted, plain) = (tokens(""), tokens("--set training.prompts={}"));
    assert!(prompted > plain, "{prompted} {plain}");
    assert_eq!(tokens("--set training.prompts.triplets={}"), plain);
}

#[test]
fn a_run_that_gets_no_better_ends_early() {
    let workspace = Workspace::new();
    let stopping = "[[callbacks]]\ntype = \"early_stopping\"\nearly_stopping_patience = 2\n[training]";
    workspace.replace("RUN.toml", "[training]", stopping);
    let run =
        "train RUN.toml --set training.max_steps=100 --set training.eval_steps=1 --set training.eval_on_start=false";
    workspace.succeed(&format!("{run} --set training.learning_rate=0 --set training.metric_for_best_model=loss"));
    // The first evaluation is the best; two more are no better.
    assert_eq!(workspace.json("output/run/trainer_state.json")["global_step"], 3);
    assert_eq!(
        workspace.fail(run),
        "training argument `metric_for_best_model` is not given; early stopping needs the name of a metric, such as \"loss\", or \
         `load_best_model_at_end`"
    );
}

#[test]
fn rows_are_held_out_of_triplets_and_of_a_teachers_scores() {
    let workspace = Workspace::with_teacher();
    let held_out = "--set data.test_size=8 --set training.eval_strategy=steps --set training.eval_steps=3";
    let (_, said) = workspace.succeed_and_say(&format!("train RUN.toml {held_out}"));
    assert!(said.contains("on 32 rows"), "{said}");
    assert_eq!(workspace.logged("eval_loss").len(), 1);
}

#[test]
fn how_much_is_said_is_an_argument_unless_the_environment_says_it() {
    let workspace = Workspace::with_teacher();
    let said = |arguments: &str, rust_log: Option<&str>| {
        let mut command =
            workspace.command(&format!("train RUN.toml --set data.n_ways=8 --set training.max_steps=1 {arguments}"));
        if let Some(rust_log) = rust_log {
            command.env("RUST_LOG", rust_log);
        }
        String::from_utf8(command.output().unwrap().stderr).unwrap()
    };
    let warning = "document_ids are not in kd/documents.jsonl";
    assert!(said("", None).contains(warning));
    assert!(!said("--set training.log_level=error", None).contains(warning));
    assert!(said("--set training.log_level=error", Some("warn")).contains(warning));
    assert!(!said("--set training.log_level=info", Some("error")).contains(warning));
}
