//! Reports: what `report_to` names, each a [`Callback`] that writes files of its own.
//!
//! `logs.jsonl` and `report.html` need nothing but an editor and a browser; TensorBoard's and wandb's files are written here too, so
//! that neither has to be installed where the model trains. A report never stops a run: what cannot be written is said once, and training
//! goes on. Only what cannot be begun is an error, before the first step.

mod append;
mod axis;
mod chart;
mod crc;
mod curves;
mod events;
mod facts;
mod framing;
mod host;
mod html;
mod jsonl;
mod markup;
mod page;
mod protobuf;
mod records;
mod tables;
mod tensorboard;
mod wandb;

use serde_json::{Map, Value};

use crate::tally::Tally;
use crate::{Callback, LogEntry, Moment, Reporter, Result, TrainerControl, TrainingArguments};

pub(crate) use facts::{DataFacts, RunFacts};

/// The callbacks that `report_to` asks for. The console is none of them: the trainer shows its progress itself.
pub(crate) fn reporters(report_to: &[Reporter], facts: &RunFacts) -> Vec<Box<dyn Callback>> {
    let callback = |reporter: &Reporter| match reporter {
        Reporter::Console => None,
        Reporter::Jsonl => Some(Lasting::boxed(jsonl::JsonLines::default())),
        Reporter::Html => Some(Lasting::boxed(html::Html::new(facts.clone()))),
        Reporter::Tensorboard => Some(Lasting::boxed(tensorboard::TensorBoard::default())),
        Reporter::Wandb => Some(Lasting::boxed(wandb::Wandb::new(facts.clone()))),
    };
    report_to.iter().filter_map(callback).collect()
}

/// How a run came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// All steps are done.
    Finished,
    /// A callback asked for the end.
    Stopped,
    /// Ctrl-C, or a request to terminate.
    Interrupted,
}

impl Ending {
    pub(crate) fn of(now: Moment<'_>, control: &TrainerControl) -> Self {
        // Where a callback has ended an epoch early, the run is through with fewer steps than planned.
        let planned = Tally::of(now.state).map_or(0, |tally| tally.cursor).max(now.state.global_step);
        match (planned >= now.state.max_steps, control.should_training_stop) {
            (true, _) => Self::Finished,
            (false, true) => Self::Stopped,
            (false, false) => Self::Interrupted,
        }
    }
}

/// What a report does at the events of a run.
trait Report: Send {
    /// Its name in `report_to`, and the key of its state.
    const NAME: &'static str;

    /// Before the first step, also of a run that goes on.
    fn begin(&mut self, now: Moment<'_>) -> Result<()>;

    /// After an entry was added to the log.
    fn log(&mut self, now: Moment<'_>, log: &LogEntry) -> Result<()>;

    /// After a checkpoint was saved.
    fn saved(&mut self, _: Moment<'_>) -> Result<()> {
        Ok(())
    }

    /// At the end of a run that did not fail.
    fn end(&mut self, now: Moment<'_>, ending: Ending) -> Result<()>;

    /// What must be remembered over a restart.
    fn state(&self) -> Option<Value> {
        None
    }

    /// Takes back what [`Report::state`] gave.
    fn load_state(&mut self, _: &Value) {}
}

/// A report whose errors end no run that has begun.
struct Lasting<R> {
    report: R,
    warned: bool,
}

impl<R: Report + 'static> Lasting<R> {
    fn boxed(report: R) -> Box<dyn Callback> {
        Box::new(Self { report, warned: false })
    }

    fn outlast(&mut self, result: Result<()>) {
        if let Err(error) = result
            && !self.warned
        {
            self.warned = true;
            tracing::warn!("the report `{}` is incomplete, and training goes on: {error}", R::NAME);
        }
    }
}

impl<R: Report + 'static> Callback for Lasting<R> {
    fn name(&self) -> String {
        R::NAME.to_owned()
    }

    fn on_train_begin(&mut self, now: Moment<'_>, _: &mut TrainerControl) -> Result<()> {
        self.report.begin(now)
    }

    fn on_log(&mut self, now: Moment<'_>, _: &mut TrainerControl, log: &LogEntry) -> Result<()> {
        let result = self.report.log(now, log);
        self.outlast(result);
        Ok(())
    }

    fn on_save(&mut self, now: Moment<'_>, _: &mut TrainerControl, _: &std::path::Path) -> Result<()> {
        let result = self.report.saved(now);
        self.outlast(result);
        Ok(())
    }

    fn on_train_end(&mut self, now: Moment<'_>, control: &mut TrainerControl) -> Result<()> {
        let result = self.report.end(now, Ending::of(now, control));
        self.outlast(result);
        Ok(())
    }

    fn state(&self) -> Option<Value> {
        self.report.state()
    }

    fn load_state(&mut self, state: &Value) -> Result<()> {
        self.report.load_state(state);
        Ok(())
    }
}

/// A number of the log; NaN for one that is not finite, which JSON has as `null`. None for what is no number.
pub(crate) fn scalar(value: &Value) -> Option<f64> {
    match value {
        Value::Number(number) => number.as_f64(),
        Value::Null => Some(f64::NAN),
        _ => None,
    }
}

/// The tag of a number of the log: transformers' `rewrite_logs`.
fn tag(key: &str) -> String {
    let parts = [("eval_", "eval"), ("test_", "test")];
    let part = parts.iter().find_map(|(prefix, part)| Some((part, key.strip_prefix(prefix)?)));
    let (part, name) = part.unwrap_or((&"train", key));
    format!("{part}/{name}")
}

/// The arguments as JSON. What could let somebody in is left out, as in transformers' `to_dict`.
fn arguments(args: &TrainingArguments) -> Map<String, Value> {
    // JSON has no place for paths that are not UTF-8.
    let args = TrainingArguments {
        output_dir: args.output_dir.to_string_lossy().into_owned().into(),
        logging_dir: args.logging_dir.as_ref().map(|dir| dir.to_string_lossy().into_owned().into()),
        ..args.clone()
    };
    let Ok(Value::Object(mut arguments)) = serde_json::to_value(args) else { return Map::new() };
    for (key, value) in &mut arguments {
        if key.ends_with("_token") && !value.is_null() {
            *value = format!("<{}>", key.to_uppercase()).into();
        }
    }
    arguments
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::TrainerState;
    use crate::plan::Plan;
    use serde_json::json;

    /// A run of ten steps that is not there: its arguments, its state, and a folder.
    pub(super) struct Run {
        pub args: TrainingArguments,
        pub state: TrainerState,
        _dir: tempfile::TempDir,
    }

    impl Run {
        pub fn new() -> Self {
            let dir = tempfile::tempdir().unwrap();
            let output_dir = dir.path().join("run");
            std::fs::create_dir(&output_dir).unwrap();
            let args = TrainingArguments { output_dir, num_train_epochs: 1.0, ..Default::default() };
            let state = TrainerState::new(&args, &Plan::new(&args, 10));
            Self { args, state, _dir: dir }
        }

        pub fn now(&self) -> Moment<'_> {
            Moment { args: &self.args, state: &self.state }
        }

        /// Goes on to a step and logs there.
        pub fn log(&mut self, step: usize, numbers: &[(&str, f64)]) -> LogEntry {
            (self.state.global_step, self.state.epoch) = (step, step as f64 / 10.0);
            self.state.log(numbers.iter().map(|(key, number)| ((*key).to_owned(), *number))).clone()
        }
    }

    pub(super) fn facts() -> RunFacts {
        RunFacts {
            model: "models/bert".to_owned(),
            parameters: 1_234_567,
            loss: vec!["Contrastive".to_owned()],
            train: vec![DataFacts { name: String::new(), description: "train.parquet".to_owned(), rows: 80 }],
            eval: Vec::new(),
            evaluators: vec!["triplet".to_owned()],
            device: "flex".to_owned(),
        }
    }

    #[test]
    fn names_become_reports() {
        let names = |report_to: &[Reporter]| {
            reporters(report_to, &facts()).iter().map(|reporter| reporter.name()).collect::<Vec<_>>()
        };
        assert_eq!(names(&Reporter::ALL), ["jsonl", "html", "tensorboard", "wandb"]);
        assert_eq!(names(&[Reporter::Console, Reporter::Wandb]), ["wandb"]);
        for reporter in Reporter::ALL.into_iter().filter(|reporter| *reporter != Reporter::Console) {
            assert_eq!(names(&[reporter]), [reporter.name()]);
        }
    }

    #[test]
    fn a_run_ends_in_three_ways() {
        let mut run = Run::new();
        let mut control = TrainerControl::default();
        run.log(5, &[]);
        assert_eq!(Ending::of(run.now(), &control), Ending::Interrupted);
        control.should_training_stop = true;
        assert_eq!(Ending::of(run.now(), &control), Ending::Stopped);
        Tally { cursor: 10, ..Tally::default() }.store(&mut run.state);
        assert_eq!(Ending::of(run.now(), &control), Ending::Finished, "an epoch was ended early");
    }

    #[test]
    fn a_report_that_cannot_be_written_ends_no_run() {
        let mut run = Run::new();
        let mut control = TrainerControl::default();
        let mut written = reporters(&Reporter::ALL, &facts());
        for report in &mut written {
            report.on_train_begin(run.now(), &mut control).unwrap();
        }
        std::fs::remove_dir_all(&run.args.output_dir).unwrap();
        let entry = run.log(1, &[("loss", 1.0)]);
        for report in &mut written {
            for _ in 0..2 {
                report.on_log(run.now(), &mut control, &entry).unwrap();
            }
            report.on_save(run.now(), &mut control, &run.args.output_dir.join("checkpoint-1")).unwrap();
            report.on_train_end(run.now(), &mut control).unwrap();
        }
        // what cannot be begun is an error before the first step
        std::fs::write(&run.args.output_dir, "a file where the folder should be").unwrap();
        for report in &mut reporters(&[Reporter::Jsonl, Reporter::Tensorboard, Reporter::Wandb], &facts()) {
            let message = report.on_train_begin(run.now(), &mut control).unwrap_err().to_string();
            assert!(message.contains("/run") && !message.contains('\n'), "{message}");
        }
    }

    #[test]
    fn tags_are_those_of_transformers() {
        let found = ["loss", "eval_accuracy", "test_loss", "epoch", "evaluated"].map(tag);
        assert_eq!(found, ["train/loss", "eval/accuracy", "test/loss", "train/epoch", "train/evaluated"]);
    }

    #[test]
    fn numbers_of_the_log() {
        assert_eq!([scalar(&json!(0.5)), scalar(&json!(3)), scalar(&json!("x"))], [Some(0.5), Some(3.0), None]);
        assert!(scalar(&json!(null)).is_some_and(f64::is_nan));
    }

    #[cfg(unix)]
    #[test]
    fn paths_that_are_no_text_are_arguments_too() {
        use std::os::unix::ffi::OsStrExt;
        let output_dir = std::path::Path::new(std::ffi::OsStr::from_bytes(b"run-\xff")).to_owned();
        let args = TrainingArguments { output_dir, ..Default::default() };
        let found = arguments(&args);
        assert_eq!((&found["output_dir"], &found["seed"]), (&json!("run-\u{fffd}"), &json!(42)));
    }
}
