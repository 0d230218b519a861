//! The model card that a run leaves, with its checkpoints and at its end.

use std::fs;
use std::path::Path;

use colburn_eval::TripletEvaluator;
use colburn_loss::Distillation;
use colburn_model::card::ModelCardData;
use colburn_train::{IntervalStrategy, ResumeFromCheckpoint, TrainingArguments};

use crate::common::{arguments, rows, scored, trainer};

fn card(dir: &Path) -> String {
    fs::read_to_string(dir.join("README.md")).unwrap()
}

fn evaluating(dir: &Path) -> TrainingArguments {
    TrainingArguments {
        eval_strategy: IntervalStrategy::Steps,
        eval_steps: Some(2.0),
        save_steps: 2.0,
        num_train_epochs: 2.0,
        ..arguments(dir)
    }
}

fn train(args: TrainingArguments) {
    let evaluator = TripletEvaluator::new(rows(24).slice(16..24).unwrap()).unwrap();
    let trainer =
        trainer(args).train_dataset(rows(16)).eval_dataset(rows(24).slice(16..24).unwrap()).evaluator(evaluator);
    trainer.model_card(ModelCardData { license: Some("mit".to_owned()), ..Default::default() }).train().unwrap();
}

#[test]
fn checkpoints_and_the_end_have_cards_of_their_own() {
    let dir = tempfile::tempdir().unwrap();
    train(evaluating(dir.path()));
    let [second, end] = [dir.path().join("checkpoint-2"), dir.path().to_owned()].map(|dir| card(&dir));
    for text in [&second, &end] {
        assert!(text.starts_with("---\nlicense: mit\ntags:\n- ColBERT\n"), "{text}");
        for part in [
            "- dataset_size:16\n- loss:Contrastive\n",
            "#### Triplet\n",
            "| **accuracy** | **",
            "* Size: 8 evaluation samples",
        ] {
            assert!(text.contains(part), "{part}\n{text}");
        }
    }
    let rows =
        |text: &str| text.lines().filter(|line| line.starts_with("| ") && line.split(" | ").count() == 5).count();
    // a title, a rule, and a row a step
    assert_eq!((rows(&second), rows(&end)), (2 + 2, 2 + 8), "{end}");
}

#[test]
fn a_run_that_goes_on_ends_with_the_same_card() {
    let (whole, resumed) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let dir = |dir: &tempfile::TempDir| dir.path().join("run");
    train(evaluating(&dir(&whole)));
    train(evaluating(&dir(&resumed)));
    let expected = card(&dir(&whole));
    fs::remove_file(dir(&resumed).join("README.md")).unwrap();
    for step in [6, 8] {
        fs::remove_dir_all(dir(&resumed).join(format!("checkpoint-{step}"))).unwrap();
    }
    train(TrainingArguments { resume_from_checkpoint: ResumeFromCheckpoint::Last, ..evaluating(&dir(&resumed)) });
    assert_eq!(card(&dir(&resumed)), expected);
    let checkpoint = |folder: &tempfile::TempDir| card(&dir(folder).join("checkpoint-6"));
    assert_eq!(checkpoint(&resumed), checkpoint(&whole));
}

#[test]
fn the_best_model_says_that_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let args = TrainingArguments {
        load_best_model_at_end: true,
        metric_for_best_model: Some("accuracy".to_owned()),
        ..evaluating(dir.path())
    };
    train(args);
    let text = card(dir.path());
    let state = colburn_train::TrainerState::load(dir.path()).unwrap();
    let (best, metric) = (state.best_global_step.unwrap(), state.best_metric.unwrap());
    assert!(text.contains(&format!("| **{best}** | **")), "{text}");
    assert!(text.contains(&format!("| **accuracy** | **{metric:.4}** |")), "{text}");
    assert!(text.contains("* The bold row denotes the saved checkpoint."), "{text}");
}

#[test]
fn a_distillation_is_described_as_one() {
    let dir = tempfile::tempdir().unwrap();
    let args = TrainingArguments { max_steps: 1, mini_batch_size: Some(2), ..arguments(dir.path()) };
    colburn_train::Trainer::new(crate::common::tiny(), Distillation::default(), args)
        .handle_interrupt(false)
        .train_dataset(scored(8))
        .train()
        .unwrap();
    let text = card(dir.path());
    for part in [
        "- loss:Distillation\n",
        "* Columns: <code>query</code>, <code>documents</code>, and <code>scores</code>\n",
        "| type | string | list | list |",
        "<ul><li>size: 4 elements</li></ul>",
        "\"normalize_scores\": true",
        "\"mini_batch_size\": 2",
        "#### Distillation\n",
        "#### Gradient caching\n",
    ] {
        assert!(text.contains(part), "{part}\n{text}");
    }
}

#[test]
fn a_card_that_is_not_wanted_is_not_written() {
    let dir = tempfile::tempdir().unwrap();
    let args = TrainingArguments { max_steps: 1, ..arguments(dir.path()) };
    let data = ModelCardData { create_model_card: false, ..Default::default() };
    trainer(args).train_dataset(rows(8)).model_card(data).train().unwrap();
    assert!(!dir.path().join("README.md").exists() && !dir.path().join("checkpoint-1/README.md").exists());
    assert!(dir.path().join("model.safetensors").exists());
}

#[test]
fn a_model_saved_outside_of_training_has_a_plain_card() {
    let dir = tempfile::tempdir().unwrap();
    let model = crate::common::tiny();
    model.save_pretrained(dir.path()).unwrap();
    let plain = card(dir.path());
    assert!(plain.contains("- **Document Length:** 48 tokens\n- **Query Length:** 16 tokens\n"), "{plain}");
    assert!(plain.contains(
        "ColBERT(\n  (0): Transformer({'max_seq_length': 47, 'do_lower_case': False, 'architecture': 'BertModel'})\n  (1): Dense({'in_features': 32, 'out_features': 24, "
    ), "{plain}");
    assert!(!plain.contains("generated_from_trainer") && !plain.contains("## Training"), "{plain}");
    fs::write(dir.path().join("README.md"), "mine").unwrap();
    model.save_pretrained(dir.path()).unwrap();
    assert_eq!(card(dir.path()), "mine");
}
