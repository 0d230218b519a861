//! The training loop: a strategy of ours inside burn-train, whose unit is the optimizer step.
//!
//! burn-train's own strategies know epochs only; logging, evaluating and saving every so many steps, clipping the global norm, and stopping
//! between two steps need a loop of one's own. burn-train keeps what it is good at: the event thread with its metrics and renderer, the
//! event store, and the interrupter.
//!
//! Two things of burn-train are left unused on purpose. Its `Learner` brings the model here and nothing else: the optimizer is [`AdamW`] of
//! this crate, because its state has names, can be read, and continues to the same bits. Its checkpointers write a format of their own
//! per epoch; [`Checkpoint`] writes the model's layout at any step.

use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use burn::data::dataloader::Progress as Steps;
use burn::module::Module;
use burn::tensor::Tensor;
use burn::train::{
    EventProcessorTraining, Interrupter, Learner, LearnerEvent, SupervisedLearningStrategy,
    SupervisedTrainingEventProcessor, TrainLoader, TrainingComponents, TrainingItem, ValidLoader,
};
use serde_json::json;

use crate::checkpoint::{self, Checkpoint};
use crate::evaluation::Evaluation;
use crate::meter::{Meter, Work};
use crate::metrics::StepReport;
use crate::plan::Plan;
use crate::progress::Progress;
use crate::training_model::{StepOutput, TrainingModel};
use crate::{AdamW, Error, IntervalStrategy, Result, SaveStrategy, Schedule, TrainerState, TrainingArguments, pass};

/// All that a run works with, but the model and the data.
pub(crate) struct Run {
    pub args: TrainingArguments,
    pub plan: Plan,
    pub schedule: Schedule,
    pub optimizer: AdamW,
    pub state: TrainerState,
    pub evaluation: Evaluation,
    pub progress: Progress,
}

/// What a run has come to.
pub(crate) struct Outcome {
    pub state: TrainerState,
    /// The mean loss of all steps.
    pub training_loss: f64,
    pub work: Work,
    pub interrupted: bool,
}

/// The strategy; it runs once.
pub(crate) struct StepStrategy {
    run: Mutex<Option<Run>>,
    outcome: Mutex<Option<Result<Outcome>>>,
}

impl StepStrategy {
    pub fn new(run: Run) -> Self {
        Self { run: Mutex::new(Some(run)), outcome: Mutex::new(None) }
    }

    /// What the run has come to, once it is over.
    pub fn outcome(&self) -> Option<Result<Outcome>> {
        self.outcome.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl SupervisedLearningStrategy<TrainingModel> for StepStrategy {
    fn fit(
        &self,
        components: TrainingComponents<TrainingModel>,
        learner: Learner<TrainingModel>,
        train: TrainLoader<TrainingModel>,
        _: ValidLoader<TrainingModel>,
        _: usize,
    ) -> (TrainingModel, SupervisedTrainingEventProcessor<TrainingModel>) {
        let mut model = learner.model();
        // The learner's copy would keep the weights of the start in memory.
        drop(learner);
        let mut processor = components.event_processor;
        if let Some(run) = self.run.lock().unwrap_or_else(PoisonError::into_inner).take() {
            let (interrupter, meter) = (components.interrupter, Meter::default());
            let losses = Losses::default();
            let last = StepReport::default();
            let mut training = Training { run, processor, interrupter, meter, losses, last, saved: None };
            let (trained, result) = training.run(model, &train);
            model = trained;
            let outcome = match result {
                Ok(interrupted) => Ok(training.outcome(interrupted)),
                Err(error) => Err(training.run.state.save_after(error, &training.run.args.output_dir)),
            };
            *self.outcome.lock().unwrap_or_else(PoisonError::into_inner) = Some(outcome);
            processor = training.processor;
        }
        (model, processor)
    }
}

/// Losses of steps: their sum since the start, and since the last log.
#[derive(Default)]
struct Losses {
    run: f64,
    window: f64,
}

struct Training {
    run: Run,
    processor: SupervisedTrainingEventProcessor<TrainingModel>,
    interrupter: Interrupter,
    meter: Meter,
    losses: Losses,
    /// What the last step gave.
    last: StepReport,
    /// The step of the last checkpoint of this run.
    saved: Option<usize>,
}

impl Training {
    /// The trained model, and whether the run was interrupted.
    fn run(&mut self, mut model: TrainingModel, train: &TrainLoader<TrainingModel>) -> (TrainingModel, Result<bool>) {
        if self.run.args.eval_on_start
            && let Err(error) = self.evaluate(&model)
        {
            return (model, Err(error));
        }
        let first = self.run.state.global_step;
        let start = self.run.plan.micro_batches(first).start;
        let remaining = train.slice(start, train.num_items());
        let mut batches = remaining.iter();
        for epoch in self.run.plan.epoch(first)..self.run.plan.num_train_epochs {
            let steps = self.run.plan.steps(epoch);
            let event = LearnerEvent::StartSplit { epoch_number: epoch + 1, total_items: steps.len() };
            self.interrupter.fail_on_error(self.processor.process_train(event));
            for step in steps.start.max(first)..steps.end {
                let started = Instant::now();
                let pass = match pass::run(&model, batches.as_mut(), &self.run.args, &self.run.plan, step) {
                    Ok(pass) => pass,
                    Err(error) => return (model, Err(error)),
                };
                let rate = self.run.schedule.rate(step);
                model = self.run.optimizer.step(model, pass.gradients, rate);
                let report = StepReport {
                    loss: Some(pass.value),
                    learning_rate: Some(rate),
                    grad_norm: Some(pass.norm),
                    ..Default::default()
                };
                let work = Work { steps: 1, rows: pass.rows, tokens: pass.tokens, time: started.elapsed() };
                if let Err(error) = self.after_step(&model, report, pass.loss, work) {
                    return (model, Err(error));
                }
                // After the last step of an epoch, what is due at its end comes first.
                if step + 1 < steps.end {
                    match self.interrupted(&model) {
                        Ok(false) => {}
                        stop => return (model, stop),
                    }
                }
            }
            self.interrupter.fail_on_error(self.processor.process_train(LearnerEvent::EndSplit(epoch + 1)));
            match self.after_epoch(&model, epoch).and_then(|()| self.interrupted(&model)) {
                Ok(false) => {}
                stop => return (model, stop),
            }
        }
        (model, Ok(false))
    }

    /// Counts a step, and does what is due after it: log, evaluate, save, in this order.
    fn after_step(&mut self, model: &TrainingModel, report: StepReport, loss: Tensor<1>, work: Work) -> Result<()> {
        let Run { args, plan, state, progress, .. } = &mut self.run;
        state.global_step += 1;
        state.epoch = plan.epochs_after(state.global_step);
        state.num_input_tokens_seen += work.tokens;
        self.meter.add(&work);
        self.losses.run += report.loss.unwrap_or_default();
        self.losses.window += report.loss.unwrap_or_default();
        self.last = report;

        let step = state.global_step;
        progress.advance(step, state.epoch, self.meter.left(plan.max_steps - step));
        let live = StepReport {
            triplets_per_second: Some(work.rows_per_second()),
            tokens_per_second: Some(work.tokens_per_second()),
            ..report
        };
        let steps = plan.steps(plan.epoch(step - 1));
        let within = Steps::new(step - steps.start, steps.len(), Some("steps".to_owned()));
        let output = StepOutput { loss: Ok(loss), report: live };
        let item = TrainingItem::new(output, within, Some(step), report.learning_rate.map(Into::into));
        self.interrupter.fail_on_error(self.processor.process_train(LearnerEvent::ProcessedItem(item)));

        let log = args.logging_strategy == IntervalStrategy::Steps && step.is_multiple_of(state.logging_steps);
        let log = log || (args.logging_first_step && step == 1);
        let evaluate = args.eval_strategy == IntervalStrategy::Steps && step.is_multiple_of(state.eval_steps);
        let last = step >= plan.max_steps;
        let save = args.save_strategy == SaveStrategy::Steps && (step.is_multiple_of(state.save_steps) || last);
        if log {
            self.log();
        }
        if evaluate {
            self.evaluate(model)?;
        }
        if save {
            self.save(model)?;
        }
        Ok(())
    }

    /// Does what is due at the end of an epoch, or of the part of it that the run has: log, evaluate, save, in this order.
    fn after_epoch(&mut self, model: &TrainingModel, epoch: usize) -> Result<()> {
        // An epoch of one step may have been logged as the first step.
        if self.run.args.logging_strategy == IntervalStrategy::Epoch && self.meter.window.steps > 0 {
            self.log();
        }
        if self.run.args.eval_strategy == IntervalStrategy::Epoch {
            self.evaluate(model)?;
        }
        if self.run.args.save_strategy == SaveStrategy::Epoch {
            self.save(model)?;
        }
        self.interrupter.fail_on_error(self.processor.process_train(LearnerEvent::EndEpoch(epoch + 1)));
        Ok(())
    }

    /// Logs the mean loss since the last log, with the gradient norm and the learning rate of the last step.
    fn log(&mut self) {
        let Run { plan, state, progress, .. } = &mut self.run;
        let window = self.meter.window;
        let report = StepReport {
            loss: Some(self.losses.window / window.steps as f64),
            triplets_per_second: Some(window.rows_per_second()),
            tokens_per_second: Some(window.tokens_per_second()),
            ..self.last
        };
        progress.log(state.global_step, state.epoch, &report, self.meter.left(plan.max_steps - state.global_step));
        let numbers = [("loss", report.loss), ("grad_norm", report.grad_norm), ("learning_rate", report.learning_rate)];
        state.log(numbers.into_iter().filter_map(|(key, number)| Some((key.to_owned(), number?))));
        self.losses.window = 0.0;
        self.meter.logged();
    }

    fn evaluate(&mut self, model: &TrainingModel) -> Result<()> {
        let Run { args, evaluation, state, progress, .. } = &mut self.run;
        let dir = args.output_dir.join("eval");
        let metrics = evaluation.run(model, state, &dir, &mut self.processor, &self.interrupter)?;
        progress.results(state.global_step, state.epoch, &metrics);
        state.log(metrics);
        Ok(())
    }

    fn save(&mut self, model: &TrainingModel) -> Result<()> {
        let Run { args, schedule, optimizer, state, progress, .. } = &mut self.run;
        // Without these, a run that goes on from here would log another mean loss than one that was not disturbed.
        let losses = json!({"sum": self.losses.run, "sum_since_log": self.losses.window, "steps_since_log": self.meter.window.steps});
        state.stateful_callbacks.insert("Losses".to_owned(), json!({"args": {}, "attributes": losses}));
        let model = model.valid();
        let path = Checkpoint { model: &model.model, optimizer, schedule, state, args }.save(&args.output_dir)?;
        progress.say(&format!("saved {}", path.display()));
        if let Some(limit) = args.save_total_limit {
            checkpoint::rotate(&args.output_dir, limit, &path)?;
        }
        self.saved = Some(state.global_step);
        Ok(())
    }

    /// Whether the run is to stop between two steps; then there is a checkpoint of the one before. A stop by an error of burn-train is an
    /// error.
    fn interrupted(&mut self, model: &TrainingModel) -> Result<bool> {
        if let Some(error) = self.interrupter.error() {
            return Err(Error::Engine(error.to_string()));
        }
        let Run { plan, state, .. } = &self.run;
        if !self.interrupter.should_stop() || state.global_step >= plan.max_steps {
            return Ok(false);
        }
        if self.saved != Some(state.global_step) {
            self.save(model)?;
        }
        Ok(true)
    }

    fn outcome(&self, interrupted: bool) -> Outcome {
        let training_loss = self.losses.run / self.meter.run.steps.max(1) as f64;
        Outcome { state: self.run.state.clone(), training_loss, work: self.meter.run, interrupted }
    }
}
