//! The checkpoint that a run resumes from. That it ends with the same bytes from every step is in `trainer/resume.rs`.

use std::path::Path;

use colburn_train::{ResumeFromCheckpoint, SaveStrategy};

use crate::probe::trainer;

/// The rows that a run of 6 steps trains on.
fn trained_on(dir: &Path, resume: ResumeFromCheckpoint) -> f64 {
    let trainer = trainer(dir, 24, |args| {
        (args.save_strategy, args.save_steps, args.resume_from_checkpoint) = (SaveStrategy::Steps, 2.0, resume);
    });
    let output = trainer.train().unwrap();
    assert_eq!(output.global_step, 6);
    (output.metrics["train_samples_per_second"] * output.metrics["train_runtime"]).round()
}

#[test]
fn resume_from_checkpoint() {
    let dir = tempfile::tempdir().unwrap();
    let train = |resume: ResumeFromCheckpoint| trained_on(dir.path(), resume);
    assert_eq!(train(ResumeFromCheckpoint::No), 24.0);
    assert_eq!(train(ResumeFromCheckpoint::From(dir.path().join("checkpoint-4"))), 8.0);
    assert_eq!(train(ResumeFromCheckpoint::Last), 0.0);
    assert_eq!(train(ResumeFromCheckpoint::No), 24.0);
}
