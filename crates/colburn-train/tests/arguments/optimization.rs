//! AdamW's arguments: what they do to the weights, or to the state that the next step begins with.

use colburn_train::SaveStrategy;

use crate::probe::{Tensors, assert_multiple, assert_near, initial, refused, train};

const WEIGHT: &str = "1_Dense.linear.weight";
const BIAS: &str = "encoder.layer.0.output.dense.bias";

/// The state of AdamW for a parameter after one step, in which the means are still shares of the gradient and of its square.
fn after_one_step(kind: &str, change: impl FnOnce(&mut colburn_train::TrainingArguments)) -> Vec<f32> {
    let run = train(4, |args| {
        (args.save_strategy, args.max_grad_norm) = (SaveStrategy::Steps, 0.0);
        change(args);
    });
    run.optimizer(1)[&format!("{kind}.{WEIGHT}")].clone()
}

fn moved(before: &Tensors, after: &Tensors, name: &str) -> f64 {
    let pairs = before[name].iter().zip(&after[name]);
    pairs.map(|(before, after)| f64::from((before - after).abs())).fold(0.0, f64::max)
}

#[test]
fn learning_rate() {
    let still = train(8, |args| args.learning_rate = 0.0);
    assert_eq!(still.weights(), initial());
    let run = train(4, |args| args.learning_rate = 2e-4);
    assert_eq!(run.logged("learning_rate"), [2e-4]);
    // The first step of Adam moves by the learning rate where there is a gradient to speak of.
    let farthest = moved(&initial(), &run.weights(), WEIGHT);
    assert!((farthest - 2e-4).abs() < 1e-6, "{farthest}");
}

#[test]
fn learning_rate_mapping() {
    let rates = [("^(embeddings|encoder)", 0.0), ("^1_Dense", 5e-4)];
    let run = train(4, |args| {
        args.learning_rate_mapping = rates.map(|(pattern, rate)| (pattern.to_owned(), rate)).into();
    });
    assert_eq!(run.logged("learning_rate"), [1e-3], "what is logged is `learning_rate`'s");
    let (before, after) = (initial(), run.weights());
    let changed: Vec<&String> = after.keys().filter(|name| before[*name] != after[*name]).collect();
    assert_eq!(changed, [WEIGHT]);
    assert!((moved(&before, &after, WEIGHT) - 5e-4).abs() < 1e-6);

    let unknown = refused(|args| args.learning_rate_mapping = [("^2_Dense".to_owned(), 1e-3)].into());
    assert!(unknown.contains("`learning_rate_mapping` is {\"^2_Dense\":0.001}; no parameter has a name with a match"));
}

#[test]
fn weight_decay() {
    let weights = |weight_decay: f64| train(4, |args| args.weight_decay = weight_decay).weights();
    let (without, with, before) = (weights(0.0), weights(0.5), initial());
    let lost: Vec<f32> = without[WEIGHT].iter().zip(&with[WEIGHT]).map(|(without, with)| without - with).collect();
    // learning rate × weight decay × weight, as far as a difference of two f32 shows it
    for (lost, weight) in lost.iter().zip(&before[WEIGHT]) {
        assert!((lost - 1e-3 * 0.5 * weight).abs() < 1e-7, "{lost} of {weight}");
    }
    assert!(lost.iter().any(|lost| lost.abs() > 1e-5));
    assert_eq!(without[BIAS], with[BIAS], "biases do not decay");
}

#[test]
fn adam_beta1() {
    let mean = |adam_beta1: f64| after_one_step("exp_avg", |args| args.adam_beta1 = adam_beta1);
    assert_multiple(&mean(0.5), &mean(0.9), 5.0);
}

#[test]
fn adam_beta2() {
    let mean = |adam_beta2: f64| after_one_step("exp_avg_sq", |args| args.adam_beta2 = adam_beta2);
    assert_multiple(&mean(0.99), &mean(0.999), 10.0);
}

#[test]
fn adam_epsilon() {
    let run = train(4, |args| args.adam_epsilon = 1e3);
    let farthest = moved(&initial(), &run.weights(), WEIGHT);
    assert!(farthest > 0.0 && farthest < 1e-5, "{farthest}");
}

#[test]
fn max_grad_norm() {
    let norm = |max_grad_norm: f64| train(4, |args| args.max_grad_norm = max_grad_norm).logged("grad_norm")[0];
    let whole = norm(0.0);
    assert_near(norm(whole / 4.0), whole);
    let mean = |max_grad_norm: f64| after_one_step("exp_avg", |args| args.max_grad_norm = max_grad_norm);
    assert_multiple(&mean(whole / 4.0), &mean(0.0), 0.25);
    assert_multiple(&mean(whole * 2.0), &mean(0.0), 1.0);
}

/// GPUs alone have f16. transformers refuses it on a CPU, too.
#[test]
fn fp16() {
    let message = refused(|args| args.fp16 = true);
    assert!(
        message.ends_with("`fp16` is true; the device flex does not compute in f16; it has f32, bf16"),
        "{message}"
    );
    assert!(refused(|args| (args.fp16, args.bf16) = (true, true)).contains("at most one of `fp16` and `bf16`"));
}

/// Only CUDA has TF32, so that another device refuses it, as transformers does.
#[test]
fn tf32() {
    let message = refused(|args| args.tf32 = Some(true));
    assert!(
        message.contains("`tf32` is true; the device flex does not compute in tf32; it has f32, bf16"),
        "{message}"
    );
    let [absent, off] = [None, Some(false)].map(|tf32| train(2, |args| args.tf32 = tf32).logged("loss"));
    assert_eq!(absent, off);
}

#[test]
fn bf16() {
    let [exact, rounded] =
        [false, true].map(|bf16| train(4, |args| (args.bf16, args.save_strategy) = (bf16, SaveStrategy::Steps)));
    let [exact_loss, rounded_loss] = [&exact, &rounded].map(|run| run.logged("loss")[0]);
    let difference = (exact_loss - rounded_loss).abs() / exact_loss;
    // bf16 has 8 bits: a factor is off by 0.2 % on average.
    assert!((1e-6..2e-2).contains(&difference), "{exact_loss} and {rounded_loss}");
    // A maximum that goes to another token turns a gradient of so small a model, but not around.
    let [exact, rounded] = [exact, rounded].map(|run| run.optimizer(1)[&format!("exp_avg.{WEIGHT}")].clone());
    let product = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(a * b)).sum::<f64>();
    let cosine = product(&exact, &rounded) / (product(&exact, &exact) * product(&rounded, &rounded)).sqrt();
    assert!((0.9..1.0 - 1e-9).contains(&cosine), "{cosine}");
}
