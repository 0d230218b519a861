//! When a log is written, and where to.

use std::fs;

use colburn_train::{IntervalStrategy, ReportTo};

use crate::probe::{refused, train};

#[test]
fn logging_strategy() {
    let steps = |strategy: IntervalStrategy| {
        let run = train(16, |args| {
            (args.logging_strategy, args.logging_steps, args.num_train_epochs) = (strategy, 3.0, 2.0);
        });
        run.steps("loss")
    };
    assert_eq!(steps(IntervalStrategy::No), [0; 0]);
    assert_eq!(steps(IntervalStrategy::Steps), [3, 6]);
    assert_eq!(steps(IntervalStrategy::Epoch), [4, 8]);
}

#[test]
fn logging_steps() {
    assert_eq!(train(20, |args| args.logging_steps = 2.0).steps("loss"), [2, 4]);
    assert_eq!(train(20, |args| args.logging_steps = 0.5).steps("loss"), [3]);
}

#[test]
fn logging_first_step() {
    let steps =
        |first: bool| train(16, |args| (args.logging_steps, args.logging_first_step) = (2.0, first)).steps("loss");
    assert_eq!((steps(false), steps(true)), (vec![2, 4], vec![1, 2, 4]));
}

#[test]
fn report_to() {
    let files = |report_to: ReportTo| {
        let run = train(4, |args| args.report_to = report_to);
        ["logs.jsonl", "report.html", "runs", "wandb"].map(|name| run.dir.path().join(name).exists())
    };
    assert_eq!(files("none".into()), [false; 4]);
    assert_eq!(files("jsonl".into()), [true, false, false, false]);
    assert_eq!(files(ReportTo(vec!["html".to_owned(), "tensorboard".to_owned()])), [false, true, true, false]);
    assert_eq!(files("all".into()), [true; 4]);
    let unknown = refused(|args| args.report_to = "mlflow".into());
    assert!(unknown.contains("`report_to` is \"mlflow\"; a list of console, jsonl, html, tensorboard, wandb is"));
}

#[test]
fn logging_dir() {
    let logs = tempfile::tempdir().unwrap();
    let run = train(4, |args| {
        (args.report_to, args.logging_dir) = ("tensorboard".into(), Some(logs.path().join("here")));
    });
    assert_eq!(fs::read_dir(logs.path().join("here")).unwrap().count(), 1);
    assert!(!run.dir.path().join("runs").exists());
}

#[test]
fn run_name() {
    let run = train(4, |args| (args.report_to, args.run_name) = ("html".into(), Some("the first of all".to_owned())));
    assert!(fs::read_to_string(run.dir.path().join("report.html")).unwrap().contains("the first of all"));
}
