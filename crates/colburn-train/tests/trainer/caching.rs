//! Gradient caching: the same losses and gradients in mini-batches of any size, with dropout on, for any loss.

use burn::optim::SgdConfig;
use colburn_data::Examples;
use colburn_loss::{Contrastive, Distillation, Loss, MarginMse, Score};
use colburn_train::{Trainer, TrainingArguments};
use safetensors::SafeTensors;

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
fn xtr() {
    same(Contrastive { score: Score::Xtr { k: 64 }, ..Default::default() }, &rows(20).into());
}

#[test]
fn distillation() {
    same(Distillation::default(), &scored(20).into());
}

#[test]
fn margin_mse() {
    same(MarginMse::default(), &scored(20).into());
}

/// One step of plain gradient descent with a rate of 1 takes the gradient off each weight.
#[test]
fn every_element_of_the_gradient() {
    let after_a_step = |mini_batch_size: Option<usize>| {
        let dir = tempfile::tempdir().unwrap();
        let args = TrainingArguments {
            per_device_train_batch_size: 6,
            max_steps: 1,
            max_grad_norm: 0.0,
            mini_batch_size,
            ..arguments(dir.path())
        };
        let trainer = Trainer::new(tiny_with_dropout(), Contrastive::default(), args)
            .optimizer(SgdConfig::new().init())
            .scheduler(|_: usize| 1.0)
            .train_dataset(rows(6))
            .handle_interrupt(false);
        trainer.train().unwrap();
        let tensors = ["model.safetensors", "1_Dense/model.safetensors"].map(|name| {
            let bytes = std::fs::read(dir.path().join(name)).unwrap();
            let file = SafeTensors::deserialize(&bytes).unwrap();
            let mut tensors: Vec<_> =
                file.tensors().into_iter().map(|(name, tensor)| (name, floats(tensor.data()))).collect();
            tensors.sort_by(|(one, _), (other, _)| one.cmp(other));
            tensors
        });
        tensors.concat()
    };
    let floats_of = |tensors: &[(String, Vec<f32>)]| tensors.iter().map(|(_, values)| values.len()).sum::<usize>();
    let whole = after_a_step(None);
    assert!(floats_of(&whole) > 70_000);
    for size in [1, 4] {
        for ((name, whole), (_, parts)) in whole.iter().zip(after_a_step(Some(size))) {
            let largest = whole.iter().map(|value| value.abs()).fold(0.0, f32::max);
            for (index, (one, other)) in whole.iter().zip(parts).enumerate() {
                assert!((one - other).abs() <= 1e-5 * largest.max(1.0), "{name}[{index}]: {other} instead of {one}");
            }
        }
    }
}

fn floats(bytes: &[u8]) -> Vec<f32> {
    bytes.as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect()
}
