//! Callbacks: when they are called, and what they can ask for.

use std::path::Path;
use std::sync::{Arc, Mutex};

use burn::module::Module;
use colburn_model::{EncodeOptions, Kind};
use colburn_train::{
    Callback, CallbackContext, EarlyStoppingCallback, Error, IntervalStrategy, LogEntry, Result, SaveStrategy,
    TrainerControl, TrainingArguments,
};

use crate::common::{arguments, refused, rows, trainer};

type Events = Arc<Mutex<Vec<String>>>;

/// Notes what happens, and asks for something after some steps.
struct Notes {
    events: Events,
    ask: fn(usize, &mut TrainerControl),
}

impl Notes {
    fn new(ask: fn(usize, &mut TrainerControl)) -> (Self, Events) {
        let events = Events::default();
        (Self { events: events.clone(), ask }, events)
    }

    fn note(&self, what: &str, context: CallbackContext<'_>) -> Result<()> {
        self.events.lock().unwrap().push(format!("{what} {}", context.state.global_step));
        Ok(())
    }
}

impl Callback for Notes {
    fn name(&self) -> String {
        "Notes".to_owned()
    }
    fn on_train_begin(&mut self, context: CallbackContext<'_>, _: &mut TrainerControl) -> Result<()> {
        self.note("begin", context)
    }
    fn on_epoch_begin(&mut self, context: CallbackContext<'_>, _: &mut TrainerControl) -> Result<()> {
        self.note("epoch", context)
    }
    fn on_step_end(&mut self, context: CallbackContext<'_>, control: &mut TrainerControl) -> Result<()> {
        (self.ask)(context.state.global_step, control);
        self.note("step", context)
    }
    fn on_epoch_end(&mut self, context: CallbackContext<'_>, _: &mut TrainerControl) -> Result<()> {
        self.note("epoch end", context)
    }
    fn on_log(&mut self, context: CallbackContext<'_>, _: &mut TrainerControl, log: &LogEntry) -> Result<()> {
        assert_eq!(context.state.log_history.last(), Some(log));
        self.note("log", context)
    }
    fn on_evaluate(
        &mut self,
        context: CallbackContext<'_>,
        _: &mut TrainerControl,
        metrics: &[(String, f64)],
    ) -> Result<()> {
        assert!(metrics.iter().any(|(name, _)| name == "eval_loss"));
        self.note("evaluate", context)
    }
    fn on_save(&mut self, context: CallbackContext<'_>, _: &mut TrainerControl, checkpoint: &Path) -> Result<()> {
        assert!(checkpoint.join("trainer_state.json").exists());
        self.note("save", context)
    }
    fn on_train_end(&mut self, context: CallbackContext<'_>, _: &mut TrainerControl) -> Result<()> {
        self.note("end", context)
    }
}

fn events(args: TrainingArguments, ask: fn(usize, &mut TrainerControl)) -> Vec<String> {
    let (notes, events) = Notes::new(ask);
    trainer(args).train_dataset(rows(8)).eval_dataset(rows(4)).callback(notes).train().unwrap();
    events.lock().unwrap().clone()
}

fn quiet(dir: &Path) -> TrainingArguments {
    TrainingArguments {
        num_train_epochs: 2.0,
        logging_strategy: IntervalStrategy::No,
        save_strategy: SaveStrategy::No,
        ..arguments(dir)
    }
}

#[test]
fn every_event_in_its_order() {
    let dir = tempfile::tempdir().unwrap();
    let args = TrainingArguments {
        logging_strategy: IntervalStrategy::Steps,
        logging_steps: 2.0,
        eval_strategy: IntervalStrategy::Epoch,
        save_strategy: SaveStrategy::Epoch,
        ..quiet(dir.path())
    };
    let expected = "begin 0, epoch 0, step 1, step 2, log 2, epoch end 2, log 2, evaluate 2, save 2, epoch 2, step 3, step 4, log 4, \
                    epoch end 4, log 4, evaluate 4, save 4, log 4, end 4";
    assert_eq!(events(args, |_, _| {}).join(", "), expected);
}

#[test]
fn requests_are_met_once() {
    let dir = tempfile::tempdir().unwrap();
    let ask = |step: usize, control: &mut TrainerControl| {
        if step == 1 {
            (control.should_log, control.should_evaluate, control.should_save) = (true, true, true);
        }
    };
    let expected = "begin 0, epoch 0, step 1, log 1, log 1, evaluate 1, save 1, step 2, epoch end 2, epoch 2, step 3, step 4, \
                    epoch end 4, log 4, end 4";
    assert_eq!(events(quiet(dir.path()), ask).join(", "), expected);
}

#[test]
fn an_epoch_and_a_run_can_be_ended() {
    let dir = tempfile::tempdir().unwrap();
    let end_epoch = |step: usize, control: &mut TrainerControl| control.should_epoch_stop |= step == 1;
    let expected = "begin 0, epoch 0, step 1, epoch end 1, epoch 1, step 2, step 3, epoch end 3, log 3, end 3";
    assert_eq!(events(quiet(dir.path()), end_epoch).join(", "), expected);
    let end_run = |step: usize, control: &mut TrainerControl| control.should_training_stop |= step == 3;
    let expected = "begin 0, epoch 0, step 1, step 2, epoch end 2, epoch 2, step 3, epoch end 3, log 3, end 3";
    assert_eq!(events(quiet(dir.path()), end_run).join(", "), expected);
}

#[test]
fn a_run_that_gets_no_better_stops_early_and_keeps_its_best() {
    let dir = tempfile::tempdir().unwrap();
    let args = TrainingArguments {
        num_train_epochs: 20.0,
        // So high that the loss on other rows goes up.
        learning_rate: 0.05,
        eval_strategy: IntervalStrategy::Steps,
        eval_steps: Some(1.0),
        save_steps: 1.0,
        save_total_limit: Some(1),
        load_best_model_at_end: true,
        ..arguments(dir.path())
    };
    let eval = rows(48).slice(40..48).unwrap();
    let output = trainer(args.clone())
        .train_dataset(rows(8))
        .eval_dataset(eval)
        .callback(EarlyStoppingCallback::new(3))
        .train()
        .unwrap();
    let best = output.state.best_global_step.unwrap();
    assert_eq!(output.global_step, best + 3);
    let losses: Vec<f64> = crate::common::logged(&output, "eval_loss");
    assert_eq!(losses.iter().copied().fold(f64::INFINITY, f64::min), losses[best - 1]);
    let read = |name: &str| std::fs::read(dir.path().join(name).join("model.safetensors")).unwrap();
    let kept = format!("checkpoint-{best}");
    assert_eq!(read(""), read(&kept));
    assert_ne!(read(""), read(&format!("checkpoint-{}", output.global_step)), "the last one was kept too");

    let without = TrainingArguments { load_best_model_at_end: false, ..args };
    let twins =
        trainer(without).train_dataset(rows(8)).callback(Notes::new(|_, _| {}).0).callback(Notes::new(|_, _| {}).0);
    assert!(refused(twins.eval_dataset(rows(4))).contains("the name `Notes` of a callback"));
}

/// The model of the start is not among those that a run can go back to.
#[test]
fn an_evaluation_on_start_is_not_the_best() {
    let dir = tempfile::tempdir().unwrap();
    let args = TrainingArguments {
        max_steps: 2,
        // So high that nothing is as good as before.
        learning_rate: 0.5,
        eval_on_start: true,
        eval_strategy: IntervalStrategy::Steps,
        eval_steps: Some(1.0),
        save_strategy: SaveStrategy::Best,
        load_best_model_at_end: true,
        ..arguments(dir.path())
    };
    let output = trainer(args).train_dataset(rows(8)).eval_dataset(rows(4)).train().unwrap();
    let losses = crate::common::logged(&output, "eval_loss");
    assert!(losses[0] < losses[1] && losses[0] < losses[2], "{losses:?}");
    let best = output.state.best_global_step.unwrap();
    assert!(best > 0 && dir.path().join(format!("checkpoint-{best}")).exists());
}

#[test]
fn the_error_of_a_callback_ends_the_run() {
    struct Fails;
    impl Callback for Fails {
        fn name(&self) -> String {
            "Fails".to_owned()
        }
        fn on_step_end(&mut self, context: CallbackContext<'_>, _: &mut TrainerControl) -> Result<()> {
            match context.state.global_step {
                2 => Err(Error::Callback { name: self.name(), message: "enough".to_owned() }),
                _ => Ok(()),
            }
        }
    }
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(refused(trainer(quiet(dir.path())).train_dataset(rows(8)).callback(Fails)), "callback `Fails`: enough");
}

/// Callbacks see the model as it is trained.
#[test]
fn callbacks_see_the_model() {
    struct Probe(Arc<Mutex<Vec<Vec<f32>>>>);
    impl Callback for Probe {
        fn name(&self) -> String {
            "Probe".to_owned()
        }
        fn on_step_end(&mut self, context: CallbackContext<'_>, _: &mut TrainerControl) -> Result<()> {
            let model = context.model.valid();
            let encoded = model.encode(&["a query"], Kind::Query, &EncodeOptions::default())?;
            self.0.lock().unwrap().push(encoded[0].values.clone());
            Ok(())
        }
        fn on_train_end(&mut self, context: CallbackContext<'_>, _: &mut TrainerControl) -> Result<()> {
            let encoded = context.model.encode(&["a query"], Kind::Query, &EncodeOptions::default())?;
            self.0.lock().unwrap().push(encoded[0].values.clone());
            Err(Error::other(std::io::Error::other("an error of its own")))
        }
    }
    let dir = tempfile::tempdir().unwrap();
    let seen = Arc::<Mutex<Vec<_>>>::default();
    let message = refused(trainer(quiet(dir.path())).train_dataset(rows(4)).callback(Probe(seen.clone())));
    assert_eq!(message, "an error of its own");
    let seen = seen.lock().unwrap();
    assert_eq!(seen.len(), 3);
    assert_ne!(seen[0], seen[1], "a step changes the model");
    assert_eq!(seen[1], seen[2], "the last step made the final model");
}
