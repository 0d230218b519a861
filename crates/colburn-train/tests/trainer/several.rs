//! Several datasets: a loss for each, batches of one of them, prompts, and losses of several eval datasets.

use std::sync::{Arc, Mutex};

use burn::tensor::Tensor;
use colburn_data::{MultiDatasetSampling, Prompts};
use colburn_loss::{Contrastive, Distillation, Loss, Result, Targets};
use colburn_ops::Embeddings;
use colburn_train::{IntervalStrategy, RunPrompts, SaveStrategy, Trainer, TrainingArguments};

use crate::common::{arguments, logged, refused, rows, scored, tiny, trainer};

/// The name of a loss, and how many queries and documents it saw.
type Note = (&'static str, usize, usize);

/// A loss that notes what it saw.
struct Noting<L>(L, &'static str, Arc<Mutex<Vec<Note>>>);

impl<L: Loss> Loss for Noting<L> {
    fn forward(&self, queries: &Embeddings, documents: &Embeddings, targets: &Targets) -> Result<Tensor<1>> {
        self.2.lock().unwrap().push((self.1, queries.len(), documents.len()));
        self.0.forward(queries, documents, targets)
    }
    fn name(&self) -> &'static str {
        self.1
    }
}

fn seen(order: MultiDatasetSampling) -> Vec<Note> {
    let dir = tempfile::tempdir().unwrap();
    let args = TrainingArguments {
        num_train_epochs: 1.0,
        save_strategy: SaveStrategy::No,
        multi_dataset_batch_sampler: order,
        ..arguments(dir.path())
    };
    let notes = Arc::default();
    let contrastive = Noting(Contrastive::default(), "contrastive", Arc::clone(&notes));
    let distillation = Noting(Distillation::default(), "distillation", Arc::clone(&notes));
    Trainer::new(tiny(), contrastive, args)
        .named_train_dataset("triplets", rows(14))
        .named_train_dataset("scored", scored(6))
        .loss_for("scored", distillation)
        .handle_interrupt(false)
        .train()
        .unwrap();
    // The first two are those of the trial before the run.
    let notes = notes.lock().unwrap();
    assert_eq!(notes[..2], [("contrastive", 4, 8), ("distillation", 4, 16)]);
    notes[2..].to_vec()
}

#[test]
fn each_batch_is_of_one_dataset_with_its_own_loss() {
    let (triplets, scored) = (("contrastive", 4, 8), ("distillation", 4, 16));
    assert_eq!(seen(MultiDatasetSampling::RoundRobin), [triplets, scored, triplets, ("distillation", 2, 8)]);
    let mut proportional = seen(MultiDatasetSampling::Proportional);
    proportional.sort_unstable();
    let expected = [("contrastive", 2, 4), triplets, triplets, triplets, ("distillation", 2, 8), scored];
    assert_eq!(proportional, expected);
}

#[test]
fn each_eval_dataset_has_its_own_loss() {
    let dir = tempfile::tempdir().unwrap();
    let args = TrainingArguments {
        max_steps: 2,
        eval_strategy: IntervalStrategy::Steps,
        eval_steps: Some(2.0),
        save_steps: 2.0,
        load_best_model_at_end: true,
        metric_for_best_model: Some("scored_loss".to_owned()),
        ..arguments(dir.path())
    };
    let with_eval = |args: TrainingArguments| {
        trainer(args)
            .train_dataset(rows(8))
            .named_eval_dataset("triplets", rows(8))
            .named_eval_dataset("scored", scored(6))
            .loss_for("scored", Distillation::default())
    };
    let output = with_eval(args.clone()).train().unwrap();
    let (triplets, scored) = (logged(&output, "eval_triplets_loss"), logged(&output, "eval_scored_loss"));
    assert!(triplets.len() == 1 && scored.len() == 1 && triplets != scored);
    assert_eq!(output.state.best_metric, Some(scored[0]));
    assert!(logged(&output, "eval_loss").is_empty());

    let unknown = TrainingArguments { metric_for_best_model: Some("f1".to_owned()), ..args.clone() };
    let message = refused(with_eval(unknown));
    assert!(message.contains("is eval_f1,") && message.contains("eval_triplets_loss, eval_scored_loss"), "{message}");
    let message = refused(with_eval(args.clone()).loss_for("scord", Contrastive::default()));
    assert!(message.contains("there is no dataset `scord`"), "{message}");
    assert!(
        refused(trainer(args).train_dataset(rows(8)).train_dataset(rows(8))).contains("two datasets have the name")
    );
}

#[test]
fn prompts_go_before_texts_of_the_named_dataset() {
    let run = |prompts: RunPrompts| {
        let dir = tempfile::tempdir().unwrap();
        let args =
            TrainingArguments { max_steps: 1, save_strategy: SaveStrategy::No, prompts, ..arguments(dir.path()) };
        let output = trainer(args).named_train_dataset("squad", rows(4)).train().unwrap();
        (logged(&output, "loss"), output.state.num_input_tokens_seen)
    };
    let table = |name: &str| RunPrompts::Table([(name.to_owned(), Prompts::All("question: ".to_owned()))].into());
    let without = run(RunPrompts::default());
    let all = run("question: ".into());
    assert_ne!(all.0, without.0);
    assert!(all.1 > without.1);
    assert_eq!(run(table("squad")), all);
    // Queries are filled up to their length in any case.
    let queries = run(table("query"));
    assert!(queries.0 != without.0 && queries.0 != all.0 && queries.1 == without.1, "{queries:?}");
}
