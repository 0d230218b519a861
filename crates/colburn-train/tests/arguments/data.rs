//! The rows of each batch.

use colburn_data::{Dataset, MultiDatasetSampling, Sampling};
use colburn_loss::Contrastive;
use colburn_train::{RunPrompts, SaveStrategy, Trainer, TrainingArguments};

use crate::common::{arguments, logged, rows, tiny};
use crate::probe::{assert_near, train, train_and_evaluate};

#[test]
fn dataloader_drop_last() {
    assert_eq!(train(10, |args| args.dataloader_drop_last = false).output.global_step, 3);
    assert_eq!(train(10, |args| args.dataloader_drop_last = true).output.global_step, 2);
    // 10 rows to evaluate on: batches of 4, 4 and 2
    let eval_loss = |drop_last: bool| {
        let run = train_and_evaluate(4, |args| {
            (args.dataloader_drop_last, args.eval_on_start, args.per_device_eval_batch_size) = (drop_last, true, 4);
        });
        run.logged("eval_loss")[0]
    };
    assert_ne!(eval_loss(true), eval_loss(false));
}

/// The loss of each batch of a model that stays as it is.
fn losses(sampling: Sampling, seed: u64, epochs: f64) -> Vec<f64> {
    let still = train(16, |args| {
        (args.learning_rate, args.train_sampling_strategy, args.seed) = (0.0, sampling, seed);
        args.num_train_epochs = epochs;
    });
    still.logged("loss")
}

#[test]
fn train_sampling_strategy_sequential() {
    let both = losses(Sampling::Sequential, 42, 2.0);
    assert_eq!(both[..4], both[4..], "each epoch is in the order of the rows");
    assert_near(both[0], train(4, |args| args.learning_rate = 0.0).logged("loss")[0]);
    assert_eq!(both, losses(Sampling::Sequential, 7, 2.0));
}

#[test]
fn train_sampling_strategy_random() {
    let both = losses(Sampling::Random, 42, 2.0);
    assert_ne!(both[..4], both[4..], "each epoch has an order of its own");
    assert_ne!(both[..4], losses(Sampling::Sequential, 42, 1.0));
}

#[test]
fn train_sampling_strategy_group_by_length() {
    let grouped = losses(Sampling::GroupByLength, 42, 1.0);
    assert_ne!(grouped, losses(Sampling::Random, 42, 1.0));
    assert_ne!(grouped, losses(Sampling::Sequential, 42, 1.0));
}

#[test]
fn train_sampling_strategy_no_duplicates() {
    // Each row four times, one after the other.
    let texts = |row: usize| [0, 1, 2].map(|column| rows(4).text(row / 4, column).unwrap().to_owned()).to_vec();
    let twins = Dataset::from_rows(&["query", "positive", "negative"], (0..16).map(texts)).unwrap();
    let losses = |sampling: Sampling| {
        let dir = tempfile::tempdir().unwrap();
        let args = TrainingArguments {
            num_train_epochs: 1.0,
            save_strategy: SaveStrategy::No,
            learning_rate: 0.0,
            train_sampling_strategy: sampling,
            ..arguments(dir.path())
        };
        let trainer = Trainer::new(tiny(), Contrastive::default(), args).handle_interrupt(false);
        logged(&trainer.train_dataset(twins.clone()).train().unwrap(), "loss")
    };
    // The four different rows, in any order, in each batch; or only one row in each, four times.
    let different = train(4, |args| args.learning_rate = 0.0).logged("loss")[0];
    let (apart, together) = (losses(Sampling::NoDuplicates), losses(Sampling::Sequential));
    assert_eq!((apart.len(), together.len()), (4, 4));
    assert!(apart.iter().all(|loss| (loss - different).abs() < 1e-5 * different), "{apart:?}, not {different}");
    assert!(together.iter().all(|loss| (loss - different).abs() > 1e-3), "{together:?}");
}

#[test]
fn multi_dataset_batch_sampler() {
    let steps = |multi_dataset_batch_sampler: MultiDatasetSampling| {
        let dir = tempfile::tempdir().unwrap();
        let args = TrainingArguments {
            num_train_epochs: 1.0,
            save_strategy: SaveStrategy::No,
            multi_dataset_batch_sampler,
            ..arguments(dir.path())
        };
        let trainer = Trainer::new(tiny(), Contrastive::default(), args).handle_interrupt(false);
        let large = trainer.named_train_dataset("large", rows(20)).named_train_dataset("small", rows(4));
        large.train().unwrap().global_step
    };
    assert_eq!((steps(MultiDatasetSampling::Proportional), steps(MultiDatasetSampling::RoundRobin)), (6, 2));
}

#[test]
fn prompts() {
    let tokens = |prompts: RunPrompts| {
        let run = train(4, |args| args.prompts = prompts);
        run.output.state.num_input_tokens_seen
    };
    let without = tokens(RunPrompts::default());
    assert!(tokens("a text to find: ".into()) > without);
    let table = serde_json::from_str(r#"{"positive": "a text to find: "}"#).unwrap();
    let (one, all) = (tokens(table), tokens("a text to find: ".into()));
    assert!(without < one && one < all, "{without}, {one}, {all}");
}

#[test]
fn seed() {
    assert_eq!(losses(Sampling::Random, 42, 1.0), losses(Sampling::Random, 42, 1.0));
    assert_ne!(losses(Sampling::Random, 42, 1.0), losses(Sampling::Random, 7, 1.0));
}
