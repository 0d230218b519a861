//! The training loop, from top to bottom: next batch, forward, backward, reduce, clip, step, log, evaluate, save. Its unit is the optimizer step.
//!
//! The rows and the dropout of a step follow from its number. The rest of a run, besides weights and optimizer, is in [`TrainerState`] and
//! [`LoopState`], and both go into every checkpoint. So a run that is resumed is the same run.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use burn::module::Module;
use burn::optim::{GradientsAccumulator, GradientsParams};
use burn::tensor::Tensor;
use colburn_loss::Loss;
use colburn_model::{ColBert, Parameter};
use colburn_ops::{Clip, LateNumbers, kernels, mix, updates_on_device};
use colburn_report::card::RunCard;
use colburn_report::{Console, LogEntry, StepNumbers, TrainerState};
use serde_json::Value;

use super::burn_train::LearnerEvents;
use super::evaluation::{self, DuringRun, Evaluation};
use super::loop_state::LoopState;
use super::step::{self, ForwardOptions, MiniBatchSize};
use super::throughput::{Throughput, Work};
use crate::callback::CallbackContext;
use crate::callback::list::{Callbacks, Event};
use crate::checkpoint::folder::{self, Checkpoint};
use crate::data::loader::{Batches, Loader, MicroBatch};
use crate::data::plan::Plan;
use crate::optim::gradients::spoil;
use crate::ranks::Ranks;
use crate::{Error, GradScaler, IntervalStrategy, LearningRate, Optimizer, Result, SaveStrategy, TrainingArguments};

/// The number of consecutive steps whose loss or gradient is not finite that ends a run.
const MOST_SKIPPED: usize = 10;

/// A run, except for its model.
pub(crate) struct TrainingLoop {
    pub args: TrainingArguments,
    pub plan: Plan,
    pub ranks: Arc<dyn Ranks>,
    /// The training batches of this rank.
    pub batches: Loader,
    /// The losses that the batches refer to.
    pub losses: Arc<[Arc<dyn Loss>]>,
    /// The parameters of the model, in the order that all ranks share.
    pub parameters: Vec<Parameter>,
    pub mini_batch_size: MiniBatchSize,
    pub optimizer: Box<dyn Optimizer>,
    pub schedule: Box<dyn LearningRate>,
    pub state: TrainerState,
    pub loop_state: LoopState,
    /// The description of data and losses that checkpoints hold.
    pub inputs: Value,
    pub callbacks: Callbacks,
    pub evaluation: Evaluation,
    pub throughput: Throughput,
    pub console: Console,
    /// The model cards of the run, if they are wanted.
    pub card: Option<Arc<RunCard>>,
    /// The steps of the checkpoints of the run, also those from before it was resumed.
    pub written: BTreeSet<usize>,
    /// The last step, if its loss and norm are still to be read.
    pub unread: Option<Unread>,
    /// The last step that was skipped, and the number that was not finite.
    pub last_skipped: Option<(usize, &'static str, f64)>,
}

/// The loss and the gradient norm of a step.
#[allow(clippy::large_enum_variant, reason = "one is made a step")]
enum Numbers {
    Known { loss: f64, norm: f64, skipped: bool },
    Late(LateNumbers),
}

/// A step whose update is queued on the device, and whose numbers are on their way to the host.
pub(crate) struct Unread {
    numbers: LateNumbers,
    step: StepDone,
}

/// A step, as far as it is known before its loss and norm are.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StepDone {
    /// Its number, from 1.
    step: usize,
    rate: f64,
    work: Work,
    /// Its number in its epoch, from 1, and the number of steps of that.
    in_epoch: usize,
    steps: usize,
}

/// The result of the loop.
pub(crate) struct LoopOutput {
    pub state: TrainerState,
    pub callbacks: Callbacks,
    /// The mean loss of all steps.
    pub training_loss: f64,
    pub work: Work,
    pub interrupted: bool,
}

/// The actions after a step or an epoch.
#[derive(Clone, Copy, Debug, Default)]
struct Actions {
    log: bool,
    evaluate: bool,
    save: bool,
}

impl TrainingLoop {
    /// Trains the model, which is on a device with autodiff. When that fails, the state of the last step is saved.
    ///
    /// # Errors
    /// When data cannot be read, too many consecutive steps are not finite, a callback fails, or a file cannot be written.
    pub fn run(mut self, model: ColBert, events: &mut LearnerEvents) -> Result<(ColBert, LoopOutput)> {
        let result = self.train(model, events);
        if result.is_err() {
            // The state that is saved holds this step if its numbers can be had.
            let _ = self.settle(events);
        }
        self.loop_state.store(&mut self.state, &self.inputs);
        match result {
            Ok((model, interrupted)) => {
                let training_loss = self.loop_state.loss.get().unwrap_or(f64::NAN);
                let Self { state, callbacks, throughput, .. } = self;
                Ok((model, LoopOutput { state, callbacks, training_loss, work: throughput.run, interrupted }))
            }
            Err(error) if self.writes() => Err(self.state.save_after(error, &self.args.output_dir)),
            Err(error) => Err(error),
        }
    }

    /// All epochs. The flag is true if the run was interrupted.
    fn train(&mut self, mut model: ColBert, events: &mut LearnerEvents) -> Result<(ColBert, bool)> {
        self.call(&Event::TrainBegin, &model)?;
        if self.args.eval_on_start && self.state.global_step == 0 && self.writes() {
            self.evaluate(&model, events)?;
        }
        self.agree_on_end()?;
        // A checkpoint of the last step of an epoch is resumed with the end of that epoch.
        while self.loop_state.epoch.is_some() || self.continues() {
            let (epoch, steps) = self.begin_epoch(&model, events)?;
            let mut batches = self.batches(&steps);
            while self.continues_epoch(&steps) {
                model = self.step(model, &mut batches, events)?;
                self.after_step(&model, events)?;
                // After the last step of an epoch, the actions at its end come first.
                if self.continues_epoch(&steps) && self.interrupted(&model, events)? {
                    return Ok((model, true));
                }
            }
            self.end_epoch(&model, epoch, &steps, events)?;
            if self.interrupted(&model, events)? {
                return Ok((model, true));
            }
        }
        Ok((model, false))
    }

    /// True if there are steps left and no callback has asked for the end of the run.
    fn continues(&self) -> bool {
        self.loop_state.cursor < self.plan.max_steps && !self.callbacks.control.should_training_stop
    }

    /// The same for an epoch with these steps.
    fn continues_epoch(&self, steps: &Range<usize>) -> bool {
        self.loop_state.cursor < steps.end && self.continues() && !self.callbacks.control.should_epoch_stop
    }

    /// The epoch of the cursor, and its steps. A resumed epoch has begun before.
    fn begin_epoch(&mut self, model: &ColBert, events: &mut LearnerEvents) -> Result<(usize, Range<usize>)> {
        let epoch = self.loop_state.epoch.unwrap_or_else(|| self.plan.epoch(self.loop_state.cursor));
        let steps = self.plan.steps(epoch);
        events.epoch_started(epoch + 1, steps.len());
        if self.loop_state.epoch.is_none() {
            self.loop_state.epoch = Some(epoch);
            self.callbacks.control.should_epoch_stop = false;
            self.call(&Event::EpochBegin, model)?;
            self.agree_on_end()?;
        }
        Ok((epoch, steps))
    }

    /// The batches of an epoch from the cursor on.
    fn batches(&self, steps: &Range<usize>) -> Batches {
        let first = self.plan.micro_batches(self.loop_state.cursor).start;
        self.batches.batches(first..first.max(self.plan.micro_batches(steps.end - 1).end))
    }

    /// One optimizer step.
    ///
    /// The gradient is the mean over the micro-batches of the step. (transformers 5.3 divides by `gradient_accumulation_steps` once more, in
    /// accelerate, so its gradients and their norm are too small by that factor: its issue 40709.)
    fn step(&mut self, mut model: ColBert, batches: &mut Batches, events: &mut LearnerEvents) -> Result<ColBert> {
        self.call(&Event::StepBegin, &model)?;
        let started = Instant::now();
        let micro_batches = self.plan.micro_batches(self.loop_state.cursor);
        let loss_scale = 1.0 / micro_batches.len() as f64;
        let (mut accumulator, mut losses) = (GradientsAccumulator::new(), Vec::with_capacity(micro_batches.len()));
        let (mut rows, mut tokens, launched, mut waited) = (0, 0, kernels::launches(), Duration::ZERO);
        for batch in micro_batches {
            // Next batch.
            let MicroBatch { batch, loss, number } = batches.next().ok_or(Error::DataThread { batch })??;
            rows += batch.queries.len();
            tokens += batch.queries.tokens() + batch.documents.tokens();
            // Forward and backward.
            let dropout_seed = Some(mix(self.args.seed, number));
            let options = ForwardOptions { mini_batch_size: None, dropout_seed, loss_scale };
            let (loss, ranks) = (self.losses[loss].clone(), self.ranks.clone());
            let mut mini_batch_size = self.mini_batch_size;
            let mut scale = || self.scale_of_loss(&mut waited, events);
            let (loss, gradients) =
                mini_batch_size.gradients(&model, loss.as_ref(), &batch, options, ranks.as_ref(), &mut scale)?;
            self.mini_batch_size = mini_batch_size;
            losses.push(loss);
            accumulator.accumulate(&model, gradients);
        }
        let loss = Tensor::cat(losses, 0).sum();
        let mut gradients = accumulator.grads();
        let deferred = updates_on_device(&model.device()) && self.optimizer.deferred().is_some();
        // Reduce.
        if deferred && self.ranks.world_size() > 1 {
            // What is not finite on one rank has to be found on all of them, without asking.
            spoil(&model, &mut gradients, &loss);
        }
        self.ranks.all_reduce(&mut gradients, &self.parameters)?;
        // Clip, or skip what is not finite; step.
        let rate = self.schedule.rate(self.loop_state.schedule_step(self.state.global_step));
        let numbers = if deferred {
            let (updated, numbers) = self.step_deferred(model, loss, gradients, rate, &mut waited, events)?;
            model = updated;
            Numbers::Late(numbers)
        } else {
            let (loss, norm) = step::read_loss_and_norm(&model, &loss, &gradients, self.loop_state.cursor + 1)?;
            let skipped = self.ranks.any(!(loss.is_finite() && norm.is_finite()))?;
            if !skipped {
                let clip = Clip::factor_of_scaled(norm, self.args.max_grad_norm, self.loop_state.unscale());
                model = self.optimizer.step_clipped(model, gradients, clip, rate);
            }
            Numbers::Known { loss, norm, skipped }
        };
        let (time, launches) = (started.elapsed(), kernels::launches() - launched);
        let work = Work { steps: 1, rows, tokens, time, host: time.saturating_sub(waited), launches };
        if self.args.empty_cache_is_due(self.state.global_step + 1) {
            model.device().memory_cleanup();
        }
        let step = self.count_step(rate, work);
        match numbers {
            Numbers::Known { loss, norm, skipped } => {
                self.note_numbers(&step, loss, norm, skipped, events);
                self.check_skipped()?;
            }
            Numbers::Late(numbers) => self.unread = Some(Unread { numbers, step }),
        }
        Ok(model)
    }

    /// The scale of the loss of the step that is under way. It depends on whether the step before was skipped. The device has the forward pass of this
    /// step to work on by then, so that waiting for the numbers of the step before costs it nothing.
    fn scale_of_loss(&mut self, waited: &mut Duration, events: &mut LearnerEvents) -> Result<f64> {
        if self.loop_state.grad_scaler.is_some() {
            self.settle_within(waited, events)?;
        }
        Ok(self.loop_state.grad_scaler.map_or(1.0, |scaler| scaler.scale))
    }

    /// Queues the update of a step, and the copy of its numbers, without waiting for them. The device has this step to work on by then, so the numbers
    /// of the step before are there, and are read first: the optimizer has to know whether that step was skipped.
    fn step_deferred(
        &mut self,
        model: ColBert,
        loss: Tensor<1>,
        gradients: GradientsParams,
        rate: f64,
        waited: &mut Duration,
        events: &mut LearnerEvents,
    ) -> Result<(ColBert, LateNumbers)> {
        let numbers = step::loss_and_squares(&model, &loss, &gradients);
        let late = LateNumbers::new(numbers.clone());
        self.settle_within(waited, events)?;
        let unscale = self.loop_state.unscale();
        let clip = Clip::ToNorm { numbers, max_norm: self.args.max_grad_norm, unscale };
        let model = match self.optimizer.deferred() {
            Some(optimizer) => optimizer.step_deferred(model, gradients, &clip, rate),
            None => model,
        };
        Ok((model, late))
    }

    /// Reads the loss and the norm of the last step, if they were not read yet, and counts them. Whoever looks at the loss, the norm or the skipped
    /// steps calls this first, and so does whoever saves the state of the optimizer.
    ///
    /// All ranks find the same step skipped, because the norm is the same on all of them.
    ///
    /// # Errors
    /// When the numbers cannot be read from the device.
    fn settle(&mut self, events: &mut LearnerEvents) -> Result<()> {
        let Some(Unread { numbers, step }) = self.unread.take() else { return Ok(()) };
        let numbers = numbers.read().map_err(|error| Error::device(step.step, &error))?;
        let (loss, norm) = step::loss_and_norm(numbers.into_iter().map(f64::from));
        let skipped = !(loss.is_finite() && norm.is_finite());
        if skipped && let Some(optimizer) = self.optimizer.deferred() {
            optimizer.was_skipped();
        }
        self.note_numbers(&step, loss, norm, skipped, events);
        Ok(())
    }

    /// The same within a step, whose time of waiting grows.
    fn settle_within(&mut self, waited: &mut Duration, events: &mut LearnerEvents) -> Result<()> {
        let started = Instant::now();
        self.settle(events)?;
        *waited += started.elapsed();
        self.check_skipped()
    }

    /// The same between two steps. The time belongs to the last step.
    fn settle_step(&mut self, events: &mut LearnerEvents) -> Result<()> {
        let started = Instant::now();
        if self.unread.is_some() {
            self.settle(events)?;
            self.throughput.add(&Work { time: started.elapsed(), ..Work::default() });
        }
        Ok(())
    }

    /// Counts a step, and shows it.
    fn count_step(&mut self, rate: f64, work: Work) -> StepDone {
        let Self { args, plan, state, loop_state, mini_batch_size, throughput, console, .. } = self;
        loop_state.count_step();
        loop_state.mini_batch_size = mini_batch_size.size.filter(|_| mini_batch_size.size != args.mini_batch_size);
        loop_state.learning_rate = Some(rate);
        state.global_step += 1;
        state.epoch = plan.epochs_after(loop_state.cursor);
        state.num_input_tokens_seen += work.tokens;
        throughput.add(&work);
        let step = state.global_step;
        console.advance(step, state.epoch, throughput.left(plan.max_steps.saturating_sub(loop_state.cursor)));
        let steps = plan.steps(plan.epoch(loop_state.cursor - 1));
        StepDone { step, rate, work, in_epoch: loop_state.cursor - steps.start, steps: steps.len() }
    }

    /// Counts the loss and the norm of a step, which is that of the scaled gradients, and shows them.
    fn note_numbers(&mut self, step: &StepDone, loss: f64, norm: f64, skipped: bool, events: &mut LearnerEvents) {
        let Self { args, loop_state, .. } = self;
        let norm = norm * loop_state.unscale();
        loop_state.count_loss(loss, skipped, args.logging_nan_inf_filter);
        loop_state.grad_norm = Some(norm).filter(|norm| norm.is_finite());
        let &StepDone { step, rate, work, in_epoch, steps } = step;
        if skipped {
            let (what, value) = if loss.is_finite() { ("gradient norm", norm) } else { ("loss", loss) };
            self.last_skipped = Some((step, what, value));
            let so_far = loop_state.skipped;
            match loop_state.grad_scaler {
                // Every run in f16 has some: the scale is found by trial.
                Some(GradScaler { scale, .. }) if loss.is_finite() => tracing::info!(
                    "step {step} was skipped: its gradients overflowed; the scale of the loss is now {scale} ({so_far} skipped so far)"
                ),
                _ => tracing::warn!("step {step} was skipped: the {what} is {value} ({so_far} skipped so far)"),
            }
        }
        let numbers = StepNumbers {
            loss: Some(loss),
            learning_rate: Some(rate),
            grad_norm: Some(norm),
            triplets_per_second: Some(work.rows_per_second()),
            tokens_per_second: Some(work.tokens_per_second()),
        };
        events.step_done(numbers, step, in_epoch, steps);
    }

    /// Ends the run if too many steps in a row were skipped, or if gradients overflow at the smallest scale of the loss. All ranks call this at the same
    /// places.
    ///
    /// # Errors
    /// When it ends.
    fn check_skipped(&self) -> Result<()> {
        let Some((step, what, value)) = self.last_skipped else { return Ok(()) };
        let skipped = self.loop_state.skipped_in_a_row;
        if skipped >= MOST_SKIPPED {
            return Err(Error::NonFinite { step, what, value, skipped, good: step - skipped });
        }
        match self.loop_state.grad_scaler.filter(GradScaler::is_exhausted) {
            Some(scaler) => {
                Err(Error::ScaleExhausted { step, norm: value, scale: scaler.scale / scaler.backoff_factor })
            }
            None => Ok(()),
        }
    }

    /// The actions after a step.
    fn after_step(&mut self, model: &ColBert, events: &mut LearnerEvents) -> Result<()> {
        self.call(&Event::StepEnd, model)?;
        let Self { args, state, .. } = self;
        let (step, last) = (state.global_step, self.loop_state.cursor >= self.plan.max_steps);
        let actions = Actions {
            log: args.log_is_due_after_step(step, state.logging_steps),
            evaluate: args.eval_is_due_after_step(step, state.eval_steps),
            save: args.save_strategy == SaveStrategy::Steps && (step.is_multiple_of(state.save_steps) || last),
        };
        self.perform(actions, model, events)
    }

    /// The actions at the end of an epoch, or of the part of it that the run has.
    fn end_epoch(
        &mut self,
        model: &ColBert,
        epoch: usize,
        steps: &Range<usize>,
        events: &mut LearnerEvents,
    ) -> Result<()> {
        if self.callbacks.control.should_epoch_stop {
            self.loop_state.cursor = steps.end;
        }
        self.loop_state.epoch = None;
        self.settle_step(events)?;
        self.check_skipped()?;
        events.steps_ended(epoch + 1);
        self.call(&Event::EpochEnd, model)?;
        let Self { args, state, .. } = self;
        let actions = Actions {
            log: args.logging_strategy == IntervalStrategy::Epoch,
            evaluate: args.eval_is_due_after_epoch(state.epoch),
            save: args.save_strategy == SaveStrategy::Epoch,
        };
        self.perform(actions, model, events)?;
        events.epoch_ended(epoch + 1);
        Ok(())
    }

    /// Logs, evaluates and saves, in this order, as the arguments or a callback ask for it.
    fn perform(&mut self, actions: Actions, model: &ColBert, events: &mut LearnerEvents) -> Result<()> {
        if actions.log || actions.evaluate || actions.save {
            self.settle_step(events)?;
            self.check_skipped()?;
        }
        if self.writes() {
            let control = &self.callbacks.control;
            if control.should_log || control.should_evaluate || control.should_save {
                self.settle_step(events)?;
            }
            // A request is cleared also when the arguments ask for the same.
            let log = actions.log | std::mem::take(&mut self.callbacks.control.should_log);
            if log && self.loop_state.steps_since_log > 0 {
                self.log(model)?;
            }
            let mut save = actions.save;
            if actions.evaluate | std::mem::take(&mut self.callbacks.control.should_evaluate) {
                let metrics = self.evaluate(model, events)?;
                if let Some(metric) = self.args.metric_for_best_model() {
                    let greater = self.args.greater_is_better();
                    let better = evaluation::note_best(&mut self.state, &metric, greater, &metrics)?;
                    save |= better && self.args.save_strategy == SaveStrategy::Best;
                }
            }
            if save | std::mem::take(&mut self.callbacks.control.should_save) {
                self.save(model)?;
            }
        }
        self.agree_on_end()
    }

    /// Logs the mean loss since the last log, with the gradient norm and the learning rate of the last step.
    fn log(&mut self, model: &ColBert) -> Result<()> {
        let Self { plan, state, loop_state, throughput, console, .. } = self;
        let numbers = StepNumbers {
            loss: loop_state.loss_since_log.get(),
            learning_rate: loop_state.learning_rate,
            grad_norm: loop_state.learning_rate.and(loop_state.grad_norm.or(Some(f64::NAN))),
            triplets_per_second: Some(throughput.since_log.rows_per_second()),
            tokens_per_second: Some(throughput.since_log.tokens_per_second()),
        };
        let left = throughput.left(plan.max_steps.saturating_sub(loop_state.cursor));
        console.log(state.global_step, state.epoch, &numbers, left);
        let of_gpu = throughput.since_log.of_gpu();
        let entry = [
            ("loss", numbers.loss),
            ("grad_norm", numbers.grad_norm),
            ("learning_rate", numbers.learning_rate),
            ("samples_per_second", numbers.triplets_per_second),
            ("tokens_per_second", numbers.tokens_per_second),
            ("kernel_launches", of_gpu.map(|[launches, _]| launches)),
            ("host_seconds", of_gpu.map(|[_, seconds]| seconds)),
            ("grad_scale", loop_state.grad_scaler.map(|scaler| scaler.scale)),
            ("skipped_steps", (loop_state.skipped > 0).then_some(loop_state.skipped as f64)),
        ];
        let entry = entry.into_iter().filter_map(|(key, number)| Some((key.to_owned(), number?)));
        let entry: LogEntry = state.log(entry).clone();
        loop_state.logged();
        throughput.logged();
        self.call(&Event::Log(&entry), model)
    }

    /// Evaluates the model and logs its metrics. The callbacks see them before the best model is noted, as in transformers; an evaluation on start
    /// does not count for the best model.
    fn evaluate(&mut self, model: &ColBert, events: &mut LearnerEvents) -> Result<Vec<(String, f64)>> {
        let Self { args, evaluation, state, console, .. } = self;
        let csv_dir = &args.output_dir.join("eval");
        let metrics = evaluation.run(&model.valid(), console, Some(DuringRun { state, csv_dir, events }))?;
        console.results(state.global_step, state.epoch, &metrics);
        let entry = state.log(metrics.clone()).clone();
        self.call(&Event::Log(&entry), model)?;
        self.call(&Event::Evaluate(&metrics), model)?;
        Ok(metrics)
    }

    /// Writes a checkpoint.
    fn save(&mut self, model: &ColBert) -> Result<()> {
        let Self { args, optimizer, schedule, state, loop_state, inputs, callbacks, console, card, written, .. } = self;
        // A checkpoint may become the best one only after it was written; the next one notes that.
        written.insert(state.global_step);
        if let Some(best) = state.best_global_step.filter(|best| written.contains(best)) {
            state.best_model_checkpoint = Some(folder::path(&args.output_dir, best).display().to_string());
        }
        loop_state.store(state, inputs);
        callbacks.store(state);
        let (without_graph, optimizer, schedule) = (model.valid(), optimizer.as_ref(), schedule.as_ref());
        let card = card.as_ref().map(|card| card.render(state, state.global_step, false));
        let (model, schedule_step) = (&without_graph, loop_state.schedule_step(state.global_step));
        let checkpoint = Checkpoint { model, optimizer, schedule, schedule_step, state, args, card: card.as_deref() };
        let path = checkpoint.save(&args.output_dir)?;
        console.say(&format!("saved {}", path.display()));
        if let Some(limit) = args.save_total_limit {
            folder::rotate(&args.output_dir, limit, &path, state.best_model_checkpoint.as_deref())?;
        }
        self.call(&Event::Save(&path), model)
    }

    /// True if the run is to stop between two steps; then there is a checkpoint of the last step.
    fn interrupted(&mut self, model: &ColBert, events: &mut LearnerEvents) -> Result<bool> {
        if !self.ranks.any(events.stop_requested()?)? || !self.continues() {
            return Ok(false);
        }
        self.settle_step(events)?;
        self.check_skipped()?;
        if self.writes() && self.written.last() != Some(&self.state.global_step) {
            self.save(model)?;
        }
        Ok(true)
    }

    /// Agrees with the other ranks on the requests of callbacks that end the epoch or the run.
    fn agree_on_end(&mut self) -> Result<()> {
        let control = &mut self.callbacks.control;
        control.should_training_stop = self.ranks.any(control.should_training_stop)?;
        control.should_epoch_stop = self.ranks.any(control.should_epoch_stop)?;
        Ok(())
    }

    /// True on rank 0, which logs, evaluates and writes.
    fn writes(&self) -> bool {
        self.ranks.rank() == 0
    }

    fn call(&mut self, event: &Event<'_>, model: &ColBert) -> Result<()> {
        let Self { args, state, callbacks, .. } = self;
        callbacks.call(event, CallbackContext { args, state, model })
    }
}
