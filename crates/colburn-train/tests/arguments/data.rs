//! Which rows are in which batch.

use colburn_data::Sampling;

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
fn seed() {
    assert_eq!(losses(Sampling::Random, 42, 1.0), losses(Sampling::Random, 42, 1.0));
    assert_ne!(losses(Sampling::Random, 42, 1.0), losses(Sampling::Random, 7, 1.0));
}
