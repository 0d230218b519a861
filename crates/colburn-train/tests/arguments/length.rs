//! The length of a run, and the batches of a step.

use crate::probe::{assert_near, train};

#[test]
fn num_train_epochs() {
    // 4 batches an epoch
    assert_eq!(train(16, |args| args.num_train_epochs = 2.0).output.global_step, 8);
    let half = train(16, |args| args.num_train_epochs = 0.5).output;
    assert_eq!((half.global_step, half.state.epoch), (2, 0.5));
}

#[test]
fn max_steps() {
    let run = train(16, |args| (args.max_steps, args.num_train_epochs) = (5, 1.0)).output;
    assert_eq!((run.global_step, run.state.num_train_epochs), (5, 2));
}

#[test]
fn per_device_train_batch_size() {
    let run = train(16, |args| args.per_device_train_batch_size = 8);
    assert_eq!((run.output.global_step, run.output.state.train_batch_size), (2, 8));
}

#[test]
fn gradient_accumulation_steps() {
    let losses = |gradient_accumulation_steps: usize| {
        let still = train(20, |args| {
            (args.learning_rate, args.gradient_accumulation_steps) = (0.0, gradient_accumulation_steps);
        });
        still.logged("loss")
    };
    let (alone, together) = (losses(1), losses(2));
    assert_eq!((alone.len(), together.len()), (5, 3));
    assert_near(together[0], (alone[0] + alone[1]) / 2.0);
    assert_near(together[2], alone[4]);
}
