//! Gradient caching: the same losses and gradients in mini-batches of any size, with dropout on, for any loss.

use colburn_data::Examples;
use colburn_loss::{Contrastive, Distillation, Loss};
use colburn_train::{Trainer, TrainingArguments};

use crate::common::{arguments, logged, rows, scored, tiny_with_dropout};

/// Losses and gradient norms of a short run, clipped hard so that a gradient of another length would change the weights.
fn run(loss: impl Loss + 'static, examples: Examples, mini_batch_size: Option<usize>) -> (Vec<f64>, Vec<f64>) {
    let dir = tempfile::tempdir().unwrap();
    let args = TrainingArguments {
        per_device_train_batch_size: 6,
        gradient_accumulation_steps: 2,
        num_train_epochs: 1.0,
        max_grad_norm: 0.5,
        mini_batch_size,
        ..arguments(dir.path())
    };
    let output = Trainer::new(tiny_with_dropout(), loss, args).train_dataset(examples).handle_interrupt(false).train();
    let output = output.unwrap();
    (logged(&output, "loss"), logged(&output, "grad_norm"))
}

fn same(loss: impl Loss + Clone + 'static, examples: &Examples) {
    let (losses, norms) = run(loss.clone(), examples.clone(), None);
    assert!(losses.len() == 2 && norms.iter().all(|norm| *norm > 0.0));
    for size in [1, 3, 24] {
        let (in_parts, of_parts) = run(loss.clone(), examples.clone(), Some(size));
        for (whole, parts) in losses.iter().chain(&norms).zip(in_parts.iter().chain(&of_parts)) {
            let off = (whole - parts).abs() / whole.abs();
            assert!(off < 2e-5, "mini_batch_size {size}: {parts} instead of {whole}, off by {off}");
        }
    }
}

#[test]
fn contrastive() {
    same(Contrastive::default(), &rows(20).into());
}

#[test]
fn distillation() {
    same(Distillation::default(), &scored(20).into());
}
