//! The training loop. Its unit is the optimizer step.
//!
//! What a step reads and drops follows from its number; what the run carries besides weights and optimizer is in [`TrainerState`] and
//! [`Tally`], and both go into every checkpoint. So a run that goes on from one is the same run.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

use burn::data::dataloader::{DataLoaderIterator, Progress as Steps};
use burn::tensor::Tensor;
use burn::train::{
    EventProcessorTraining, Interrupter, LearnerEvent, SupervisedTrainingEventProcessor, TrainLoader, TrainingItem,
};

use crate::callbacks::{Callbacks, Event};
use crate::card::RunCard;
use crate::evaluation::Evaluation;
use crate::loader::MicroBatch;
use crate::memory::MiniBatches;
use crate::meter::{Meter, Work};
use crate::metrics::StepReport;
use crate::pass::{self, Pass};
use crate::plan::Plan;
use crate::progress::Progress;
use crate::tally::Tally;
use crate::training_model::{StepOutput, TrainingModel};
use crate::{Error, LearningRate, Optimizer, Result, TrainerState, TrainingArguments};

/// Steps in a row whose loss or gradient is not finite, after which a run gives up: by then it is no accident.
const MOST_SKIPPED: usize = 10;

/// All that a run works with, but the model and the data.
pub(crate) struct Run {
    pub args: TrainingArguments,
    pub plan: Plan,
    pub schedule: Box<dyn LearningRate>,
    pub optimizer: Box<dyn Optimizer>,
    pub state: TrainerState,
    pub tally: Tally,
    pub mini_batches: MiniBatches,
    pub callbacks: Callbacks,
    pub evaluation: Evaluation,
    pub progress: Progress,
    /// What its model cards are made from, if they are wanted.
    pub card: Option<Arc<RunCard>>,
    /// The steps of the checkpoints that it has written, also before it went on.
    pub written: BTreeSet<usize>,
}

/// What a run has come to.
pub(crate) struct Outcome {
    pub state: TrainerState,
    pub callbacks: Callbacks,
    /// The mean loss of all steps.
    pub training_loss: f64,
    pub work: Work,
    pub interrupted: bool,
}

/// A run that goes on.
pub(crate) struct Training {
    pub run: Run,
    pub processor: SupervisedTrainingEventProcessor<TrainingModel>,
    pub interrupter: Interrupter,
    pub meter: Meter,
}

impl Training {
    pub fn new(run: Run, processor: SupervisedTrainingEventProcessor<TrainingModel>, interrupter: Interrupter) -> Self {
        Self { run, processor, interrupter, meter: Meter::default() }
    }

    /// The trained model, and whether the run was interrupted.
    pub fn run(
        &mut self,
        mut model: TrainingModel,
        train: &TrainLoader<TrainingModel>,
    ) -> (TrainingModel, Result<bool>) {
        if let Err(error) = self.begin(&model) {
            return (model, Err(error));
        }
        while self.run.tally.epoch.is_some() || self.goes_on() {
            let result;
            (model, result) = self.epoch(model, train);
            match result {
                Ok(false) => {}
                stop => return (model, stop),
            }
        }
        (model, Ok(false))
    }

    fn goes_on(&self) -> bool {
        self.run.tally.cursor < self.run.plan.max_steps && !self.run.callbacks.control.should_training_stop
    }

    fn begin(&mut self, model: &TrainingModel) -> Result<()> {
        self.tell(&Event::TrainBegin)?;
        if self.run.args.eval_on_start && self.run.state.global_step == 0 {
            self.evaluate(model)?;
        }
        Ok(())
    }

    /// The rest of an epoch from the cursor on, which may be no more than what is due at its end. Says whether the run was interrupted.
    fn epoch(&mut self, mut model: TrainingModel, train: &TrainLoader<TrainingModel>) -> (TrainingModel, Result<bool>) {
        let cursor = self.run.tally.cursor;
        let epoch = self.run.tally.epoch.unwrap_or_else(|| self.run.plan.epoch(cursor));
        let steps = self.run.plan.steps(epoch);
        let event = LearnerEvent::StartSplit { epoch_number: epoch + 1, total_items: steps.len() };
        self.interrupter.fail_on_error(self.processor.process_train(event));
        if self.run.tally.epoch.is_none() {
            self.run.tally.epoch = Some(epoch);
            self.run.callbacks.control.should_epoch_stop = false;
            if let Err(error) = self.tell(&Event::EpochBegin) {
                return (model, Err(error));
            }
        }
        let first = self.run.plan.micro_batches(cursor).start;
        let batches = train.slice(first, first.max(self.run.plan.micro_batches(steps.end - 1).end));
        let mut batches = batches.iter();
        while self.run.tally.cursor < steps.end && self.goes_on() && !self.run.callbacks.control.should_epoch_stop {
            let result;
            (model, result) = self.step(model, batches.as_mut(), steps.end);
            match result {
                Ok(false) => {}
                stop => return (model, stop),
            }
        }
        if self.run.callbacks.control.should_epoch_stop {
            self.run.tally.cursor = steps.end;
        }
        self.run.tally.epoch = None;
        self.interrupter.fail_on_error(self.processor.process_train(LearnerEvent::EndSplit(epoch + 1)));
        let result = self.after_epoch(&model, epoch).and_then(|()| self.interrupted(&model));
        (model, result)
    }

    /// One optimizer step, and what is due after it. Says whether the run was interrupted.
    fn step(
        &mut self,
        mut model: TrainingModel,
        batches: &mut dyn DataLoaderIterator<MicroBatch>,
        end: usize,
    ) -> (TrainingModel, Result<bool>) {
        if let Err(error) = self.tell(&Event::StepBegin) {
            return (model, Err(error));
        }
        let started = Instant::now();
        let Run { args, plan, tally, mini_batches, schedule, optimizer, state, .. } = &mut self.run;
        let pass = match pass::run(&model, batches, mini_batches, args, plan, tally.cursor) {
            Ok(pass) => pass,
            Err(error) => return (model, Err(error)),
        };
        let Pass { gradients, clip, loss, value, norm, rows, tokens } = pass;
        let rate = schedule.rate(state.global_step);
        let skipped = gradients.is_none();
        if let Some(gradients) = gradients {
            model = model.with(|model| optimizer.step_clipped(model, gradients, clip, rate));
        }
        let report =
            StepReport { loss: Some(value), learning_rate: Some(rate), grad_norm: Some(norm), ..Default::default() };
        let work = Work { steps: 1, rows, tokens, time: started.elapsed() };
        if args.empty_cache_is_due(state.global_step + 1) {
            model.model.device().memory_cleanup();
        }
        let result = self.count(report, loss, work, skipped).and_then(|()| self.after_step(&model));
        // After the last step of an epoch, what is due at its end comes first.
        let within = self.run.tally.cursor < end && !self.run.callbacks.control.should_epoch_stop && self.goes_on();
        let result = result.and_then(|()| if within { self.interrupted(&model) } else { Ok(false) });
        (model, result)
    }

    /// Counts a step.
    ///
    /// # Errors
    /// When too many in a row had to be skipped.
    fn count(&mut self, report: StepReport, loss: Tensor<1>, work: Work, skipped: bool) -> Result<()> {
        let Run { args, plan, state, tally, mini_batches, progress, .. } = &mut self.run;
        let value = report.loss.unwrap_or(f64::NAN);
        tally.step(value, skipped, args.logging_nan_inf_filter);
        tally.mini_batch_size = mini_batches.size.filter(|_| mini_batches.size != args.mini_batch_size);
        (tally.learning_rate, tally.grad_norm) =
            (report.learning_rate, report.grad_norm.filter(|norm| norm.is_finite()));
        state.global_step += 1;
        state.epoch = plan.epochs_after(tally.cursor);
        state.num_input_tokens_seen += work.tokens;
        self.meter.add(&work);

        let step = state.global_step;
        if skipped {
            let norm = report.grad_norm.unwrap_or(f64::NAN);
            let (what, value) = if value.is_finite() { ("gradient norm", norm) } else { ("loss", value) };
            tracing::warn!("step {step} was skipped: the {what} is {value} ({} skipped so far)", tally.skipped);
            if tally.skipped_in_a_row >= MOST_SKIPPED {
                let skipped = tally.skipped_in_a_row;
                return Err(Error::NonFinite { step, what, value, skipped, good: step - skipped });
            }
        }
        progress.advance(step, state.epoch, self.meter.left(plan.max_steps.saturating_sub(tally.cursor)));
        let live = StepReport {
            triplets_per_second: Some(work.rows_per_second()),
            tokens_per_second: Some(work.tokens_per_second()),
            ..report
        };
        let steps = plan.steps(plan.epoch(tally.cursor - 1));
        let within = Steps::new(tally.cursor - steps.start, steps.len(), Some("steps".to_owned()));
        let output = StepOutput { loss: Ok(loss), report: live };
        let item = TrainingItem::new(output, within, Some(step), report.learning_rate.map(Into::into));
        self.interrupter.fail_on_error(self.processor.process_train(LearnerEvent::ProcessedItem(item)));
        Ok(())
    }

    /// Whether the run is to stop between two steps; then there is a checkpoint of the one before. A stop by an error of burn-train is an
    /// error.
    fn interrupted(&mut self, model: &TrainingModel) -> Result<bool> {
        if let Some(error) = self.interrupter.error() {
            return Err(Error::Engine(error.to_string()));
        }
        if !self.interrupter.should_stop() || !self.goes_on() {
            return Ok(false);
        }
        if self.run.written.last() != Some(&self.run.state.global_step) {
            self.save(model)?;
        }
        Ok(true)
    }

    pub fn tell(&mut self, event: &Event) -> Result<()> {
        let Run { args, callbacks, state, .. } = &mut self.run;
        callbacks.tell(event, args, state)
    }

    /// What the run has come to, and burn-train's part of it.
    pub fn finish(self, result: Result<bool>) -> (Result<Outcome>, SupervisedTrainingEventProcessor<TrainingModel>) {
        let Run { mut state, callbacks, tally, args, .. } = self.run;
        tally.store(&mut state);
        let outcome = match result {
            Ok(interrupted) => {
                let training_loss = tally.loss.get().unwrap_or(f64::NAN);
                Ok(Outcome { state, callbacks, training_loss, work: self.meter.run, interrupted })
            }
            Err(error) => Err(state.save_after(error, &args.output_dir)),
        };
        (outcome, self.processor)
    }
}
