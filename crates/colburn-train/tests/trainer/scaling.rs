//! The scale of the loss: an overflow halves it and skips the step, and nothing else differs from a run without one.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use burn::tensor::Tensor;
use colburn_loss::{Contrastive, Loss, Result, Targets};
use colburn_ops::{Embeddings, Precision};
use colburn_train::{GradScaler, ResumeFromCheckpoint, TrainOutput, Trainer, TrainingArguments};

use crate::common::{arguments, logged, refused, rows, tiny, trainer, without_times};

/// The contrastive loss, whose gradient is too large for f32 at some calls; the first call is that of the trial before the run.
struct Steep {
    calls: AtomicUsize,
    is_steep: fn(usize) -> bool,
}

impl Loss for Steep {
    fn forward(&self, queries: &Embeddings, documents: &Embeddings, targets: &Targets) -> Result<Tensor<1>> {
        let loss = Contrastive::default().forward(queries, documents, targets)?;
        let is_steep = (self.is_steep)(self.calls.fetch_add(1, Ordering::SeqCst));
        Ok(if is_steep { loss.clone() + (loss.clone() - loss.detach()) * 1e38 } else { loss })
    }
    fn name(&self) -> &'static str {
        "steep"
    }
}

fn steep(args: TrainingArguments, is_steep: fn(usize) -> bool) -> Trainer {
    Trainer::new(tiny(), Steep { calls: AtomicUsize::new(0), is_steep }, args).handle_interrupt(false)
}

/// Two epochs of 6 steps, each with a checkpoint.
fn short(dir: &Path) -> TrainingArguments {
    TrainingArguments { num_train_epochs: 2.0, save_steps: 1.0, ..arguments(dir) }
}

const MODEL: [&str; 2] = ["model.safetensors", "1_Dense/model.safetensors"];

fn assert_same(names: &[&str], found: &Path, expected: &Path) {
    for name in names {
        assert!(fs::read(found.join(name)).unwrap() == fs::read(expected.join(name)).unwrap(), "{name} of {found:?}");
    }
}

#[test]
fn a_scale_without_overflow_changes_nothing_else() {
    let cached = |args| TrainingArguments { mini_batch_size: Some(3), gradient_accumulation_steps: 2, ..args };
    let clipped = |args| TrainingArguments { max_grad_norm: 0.1, ..args };
    let changes: [&dyn Fn(TrainingArguments) -> TrainingArguments; 3] = [&|args| args, &cached, &clipped];
    for change in changes {
        let dirs = [(); 2].map(|()| tempfile::tempdir().unwrap());
        let plain = trainer(change(short(dirs[0].path()))).train_dataset(rows(24)).train().unwrap();
        let scaled = trainer(change(short(dirs[1].path()))).train_dataset(rows(24));
        let scaled = scaled.grad_scaler(GradScaler { growth_interval: 4, ..Default::default() }).train().unwrap();
        assert_same(&MODEL, dirs[1].path(), dirs[0].path());
        let scales = logged(&scaled, "grad_scale");
        assert_eq!(scales.last(), Some(&(65536.0 * 2f64.powi(scales.len() as i32 / 4))));
        let mut log = without_times(&scaled.state.log_history);
        log.iter_mut().for_each(|entry| drop(entry.remove("grad_scale")));
        assert_eq!(log, without_times(&plain.state.log_history));
    }
}

#[test]
fn a_planted_overflow_halves_the_scale_and_skips_the_step() {
    let dirs = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let plain = trainer(short(dirs[0].path())).train_dataset(rows(24)).train().unwrap();
    let run = steep(short(dirs[1].path()), |call| call == 4).train_dataset(rows(24));
    let output = run.grad_scaler(GradScaler::default()).train().unwrap();

    assert_eq!(logged(&output, "grad_scale"), [[65536.0; 3].as_slice(), &[32768.0; 9]].concat());
    assert_eq!(logged(&output, "skipped_steps"), [1.0; 9]);
    assert_eq!(logged(&output, "loss")[..4], logged(&plain, "loss")[..4], "the loss itself is finite");
    assert_eq!((logged(&output, "grad_norm").len(), output.global_step), (11, 12));
    let at = |step: usize| dirs[1].path().join(format!("checkpoint-{step}"));
    let names = [MODEL.as_slice(), &["optimizer.safetensors"]].concat();
    assert_same(&names, &at(4), &at(3));
    assert!(fs::read(at(5).join(MODEL[0])).unwrap() != fs::read(at(4).join(MODEL[0])).unwrap());
    // accelerate's scheduler waits for the optimizer: `optimizer_step_was_skipped`.
    let (rates, usual) = (logged(&output, "learning_rate"), logged(&plain, "learning_rate"));
    assert_eq!(rates[..4], usual[..4]);
    assert_eq!(rates[4..], usual[3..11]);
    let state = &output.state.stateful_callbacks["LoopState"]["attributes"]["grad_scaler"];
    let scaler: GradScaler = serde_json::from_value(state.clone()).unwrap();
    assert_eq!(scaler, GradScaler { scale: 32768.0, growth_tracker: 8, skipped_steps: 1, ..Default::default() });
}

/// At this scale the square of the norm is too large for f32 at first, and again whenever the scale has grown.
fn at_the_edge(dir: &Path, resume: ResumeFromCheckpoint) -> TrainOutput {
    let args = TrainingArguments { resume_from_checkpoint: resume, ..short(dir) };
    let scaler = GradScaler { scale: 2f64.powi(66), growth_interval: 2, ..Default::default() };
    trainer(args).train_dataset(rows(24)).grad_scaler(scaler).train().unwrap()
}

#[test]
fn a_run_that_is_resumed_has_the_same_scales() {
    let whole_dir = tempfile::tempdir().unwrap();
    let whole = at_the_edge(whole_dir.path(), ResumeFromCheckpoint::No);
    let scales = logged(&whole, "grad_scale");
    assert!(scales.windows(2).any(|pair| pair[1] < pair[0]) && scales.windows(2).any(|pair| pair[1] > pair[0]));
    for step in [1, 2, 5, 8, 9] {
        let dir = tempfile::tempdir().unwrap();
        let from = ResumeFromCheckpoint::From(whole_dir.path().join(format!("checkpoint-{step}")));
        let resumed = at_the_edge(dir.path(), from);
        assert_same(&MODEL, dir.path(), whole_dir.path());
        let name = "checkpoint-12/optimizer.safetensors";
        assert_same(&[name, "checkpoint-12/scheduler.json"], dir.path(), whole_dir.path());
        assert_eq!(without_times(&resumed.state.log_history), without_times(&whole.state.log_history));
        assert_eq!(resumed.state.stateful_callbacks, whole.state.stateful_callbacks);
    }
}

#[test]
fn overflows_end_a_run_at_the_smallest_scale_alone() {
    let dir = tempfile::tempdir().unwrap();
    let always = |call| call > 0;
    let args = || TrainingArguments { num_train_epochs: 9.0, ..arguments(dir.path()) };
    let from_default = steep(args(), always).train_dataset(rows(24)).grad_scaler(GradScaler::default());
    let message = refused(from_default);
    assert!(message.starts_with("step 31: the gradient norm is "), "{message}");
    assert!(message.contains("the loss was multiplied by 0.00006103515625 only; lower `learning_rate`"), "{message}");

    let wrong =
        steep(args(), always).train_dataset(rows(24)).grad_scaler(GradScaler { scale: -1.0, ..Default::default() });
    assert_eq!(refused(wrong), "the `scale` of the gradient scaler is -1; a positive number of f32 is expected");
}

/// The mean losses of six parts of a run of 300 steps, and its number of skipped steps.
fn curve(precision: Precision) -> (Vec<f64>, f64) {
    let dir = tempfile::tempdir().unwrap();
    let args = TrainingArguments {
        max_steps: 300,
        logging_steps: 50.0,
        learning_rate: 1e-4,
        save_strategy: colburn_train::SaveStrategy::No,
        ..arguments(dir.path())
    };
    let trainer = Trainer::new(tiny().with_precision(precision), Contrastive::default(), args);
    let output = trainer.handle_interrupt(false).train_dataset(rows(96)).train().unwrap();
    assert_eq!(logged(&output, "grad_scale").len(), if precision == Precision::F16 { 6 } else { 0 });
    (logged(&output, "loss"), logged(&output, "skipped_steps").last().copied().unwrap_or(0.0))
}

#[test]
fn curves_in_short_types_are_those_of_f32() {
    let (expected, _) = curve(Precision::F32);
    for precision in [Precision::Bf16, Precision::F16] {
        let (found, skipped) = curve(precision);
        println!("{precision:?}: {found:?}, {expected:?}, {skipped} skipped");
        for (found, expected) in found.iter().zip(&expected) {
            assert!((found - expected).abs() < 0.02 * expected, "{precision:?}: {found}, {expected} expected");
        }
        assert!(skipped < 10.0);
    }
}
