//! What is due after a step or an epoch: log, evaluate, save, in this order, because the arguments or a callback say so.

use burn::module::Module;
use burn::train::{EventProcessorTraining, LearnerEvent};

use crate::callbacks::Event;
use crate::checkpoint::{self, Checkpoint};
use crate::metrics::StepReport;
use crate::training::{Run, Training};
use crate::training_model::TrainingModel;
use crate::{IntervalStrategy, Result, SaveStrategy, best};

/// What is to be done.
#[derive(Clone, Copy, Debug, Default)]
struct Due {
    log: bool,
    evaluate: bool,
    save: bool,
}

impl Training {
    /// Does what is due after a step.
    pub(crate) fn after_step(&mut self, model: &TrainingModel) -> Result<()> {
        self.tell(&Event::StepEnd)?;
        let Run { args, plan, state, tally, .. } = &self.run;
        let step = state.global_step;
        let last = tally.cursor >= plan.max_steps;
        let due = Due {
            log: args.log_is_due_after_step(step, state.logging_steps),
            evaluate: args.eval_is_due_after_step(step, state.eval_steps),
            save: args.save_strategy == SaveStrategy::Steps && (step.is_multiple_of(state.save_steps) || last),
        };
        self.do_due(model, due)
    }

    /// Does what is due at the end of an epoch, or of the part of it that the run has.
    pub(crate) fn after_epoch(&mut self, model: &TrainingModel, epoch: usize) -> Result<()> {
        self.tell(&Event::EpochEnd)?;
        let Run { args, state, .. } = &self.run;
        let due = Due {
            log: args.logging_strategy == IntervalStrategy::Epoch,
            evaluate: args.eval_is_due_after_epoch(state.epoch),
            save: args.save_strategy == SaveStrategy::Epoch,
        };
        self.do_due(model, due)?;
        self.interrupter.fail_on_error(self.processor.process_train(LearnerEvent::EndEpoch(epoch + 1)));
        Ok(())
    }

    fn do_due(&mut self, model: &TrainingModel, due: Due) -> Result<()> {
        // A request is answered once, and also when what it asks for is due anyhow.
        let log = due.log | std::mem::take(&mut self.run.callbacks.control.should_log);
        if log && self.run.tally.steps_since_log > 0 {
            self.log()?;
        }
        let mut save = due.save;
        if due.evaluate | std::mem::take(&mut self.run.callbacks.control.should_evaluate) {
            let metrics = self.evaluate(model)?;
            let Run { args, state, .. } = &mut self.run;
            if let Some(metric) = args.metric_for_best_model() {
                let better = best::note(state, &metric, args.greater_is_better(), &metrics)?;
                save |= better && args.save_strategy == SaveStrategy::Best;
            }
        }
        if save | std::mem::take(&mut self.run.callbacks.control.should_save) {
            self.save(model)?;
        }
        Ok(())
    }

    /// Logs the mean loss since the last log, with the gradient norm and the learning rate of the last step.
    fn log(&mut self) -> Result<()> {
        let Run { plan, state, tally, progress, .. } = &mut self.run;
        let window = self.meter.window;
        let report = StepReport {
            loss: tally.loss_since_log.get(),
            learning_rate: tally.learning_rate,
            grad_norm: tally.learning_rate.and(tally.grad_norm.or(Some(f64::NAN))),
            triplets_per_second: Some(window.rows_per_second()),
            tokens_per_second: Some(window.tokens_per_second()),
        };
        let left = self.meter.left(plan.max_steps.saturating_sub(tally.cursor));
        progress.log(state.global_step, state.epoch, &report, left);
        let numbers = [
            ("loss", report.loss),
            ("grad_norm", report.grad_norm),
            ("learning_rate", report.learning_rate),
            ("samples_per_second", report.triplets_per_second),
            ("tokens_per_second", report.tokens_per_second),
            ("skipped_steps", (tally.skipped > 0).then_some(tally.skipped as f64)),
        ];
        let entry = state.log(numbers.into_iter().filter_map(|(key, number)| Some((key.to_owned(), number?)))).clone();
        tally.logged();
        self.meter.logged();
        self.tell(&Event::Log(&entry))
    }

    /// Evaluates and logs what was found. Whether that makes the model the best one is decided after the callbacks have seen it, as in
    /// transformers; an evaluation on start does not count there.
    pub(crate) fn evaluate(&mut self, model: &TrainingModel) -> Result<Vec<(String, f64)>> {
        let Run { args, evaluation, state, progress, .. } = &mut self.run;
        let dir = args.output_dir.join("eval");
        let metrics = evaluation.run(model, state, &dir, &mut self.processor, &self.interrupter, progress)?;
        progress.results(state.global_step, state.epoch, &metrics);
        let entry = state.log(metrics.clone()).clone();
        self.tell(&Event::Log(&entry))?;
        self.tell(&Event::Evaluate(&metrics))?;
        Ok(metrics)
    }

    pub(crate) fn save(&mut self, model: &TrainingModel) -> Result<()> {
        let Run { args, schedule, optimizer, state, tally, callbacks, progress, card, written, .. } = &mut self.run;
        // A checkpoint may be found to be the best only after it was written, and is remembered with the next one.
        written.insert(state.global_step);
        if let Some(best) = state.best_global_step.filter(|best| written.contains(best)) {
            state.best_model_checkpoint = Some(checkpoint::path(&args.output_dir, best).display().to_string());
        }
        tally.store(state);
        callbacks.store(state);
        let model = model.valid();
        let (optimizer, schedule) = (optimizer.as_ref(), schedule.as_ref());
        let card = card.as_ref().map(|card| card.of(state, state.global_step, false));
        let card = card.as_deref();
        let path = Checkpoint { model: &model.model, optimizer, schedule, state, args, card }.save(&args.output_dir)?;
        progress.say(&format!("saved {}", path.display()));
        if let Some(limit) = args.save_total_limit {
            checkpoint::rotate(&args.output_dir, limit, &path, state.best_model_checkpoint.as_deref())?;
        }
        self.tell(&Event::Save(&path))
    }
}
