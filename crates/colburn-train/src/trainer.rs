//! The trainer: a model, a loss, arguments and data in, a trained model out.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use burn::data::dataloader::DataLoader;
use burn::module::{Module, ModuleVisitor, Param};
use burn::optim::SgdConfig;
use burn::tensor::Tensor;
use burn::train::{Interrupter, Learner, SupervisedTraining, TrainingStrategy};
use colburn_data::{BatchSampler, Collator, Dataset, Sampling};
use colburn_eval::Evaluator;
use colburn_loss::Loss;
use colburn_model::ColBert;

use crate::evaluation::Evaluation;
use crate::interrupt::Registration;
use crate::loader::Loader;
use crate::metrics::{Gauge, Means};
use crate::plan::Plan;
use crate::progress::Progress;
use crate::strategy::{Outcome, Run, StepStrategy};
use crate::training_model::TrainingModel;
use crate::{AdamW, Error, Result, Schedule, TrainerState, TrainingArguments, output};

/// Trains a model.
///
/// ```no_run
/// use burn::tensor::Device;
/// use colburn_data::Dataset;
/// use colburn_eval::TripletEvaluator;
/// use colburn_loss::Contrastive;
/// use colburn_model::ColBert;
/// use colburn_train::{IntervalStrategy, Trainer, TrainingArguments};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let model = ColBert::from_pretrained("bert-base-uncased", &Device::default())?;
/// let (train, eval) = Dataset::load("triplets.parquet")?.train_test_split(0.01, 42)?;
/// let args = TrainingArguments {
///     output_dir: "output/run".into(),
///     num_train_epochs: 1.0,
///     eval_strategy: IntervalStrategy::Epoch,
///     eval_on_start: true,
///     ..Default::default()
/// };
/// let trained = Trainer::new(model, Contrastive::default(), args)
///     .train_dataset(train)
///     .evaluator(TripletEvaluator::new(&eval)?)
///     .eval_dataset(eval)
///     .train()?;
/// println!("mean loss {}", trained.training_loss);
/// # Ok(())
/// # }
/// ```
pub struct Trainer {
    model: ColBert,
    loss: Arc<dyn Loss>,
    args: TrainingArguments,
    train: Option<Dataset>,
    eval: Option<Dataset>,
    evaluators: Vec<Box<dyn Evaluator>>,
    handle_interrupt: bool,
}

/// What training gives.
#[derive(Debug)]
pub struct TrainOutput {
    /// The trained model, on its device without autodiff: the one that lies in `output_dir`.
    pub model: ColBert,
    /// Optimizer steps done.
    pub global_step: usize,
    /// The mean loss of all steps.
    pub training_loss: f64,
    /// `train_runtime` in seconds, `train_samples_per_second`, `train_steps_per_second`, `train_loss`, `total_flos`.
    pub metrics: BTreeMap<String, f64>,
    /// Where the run stands, and all that it logged: what lies in `trainer_state.json`.
    pub state: TrainerState,
    /// Whether the run was stopped by Ctrl-C. Then there is a checkpoint of its last step, and no final model in `output_dir`.
    pub interrupted: bool,
}

impl Trainer {
    /// A trainer of this model with this loss. The model trains on the device that it lies on.
    pub fn new(model: ColBert, loss: impl Loss + 'static, args: TrainingArguments) -> Self {
        let loss = Arc::new(loss);
        Self { model, loss, args, train: None, eval: None, evaluators: Vec::new(), handle_interrupt: true }
    }

    /// What to train on.
    #[must_use]
    pub fn train_dataset(mut self, dataset: Dataset) -> Self {
        self.train = Some(dataset);
        self
    }

    /// What to compute `eval_loss` on.
    #[must_use]
    pub fn eval_dataset(mut self, dataset: Dataset) -> Self {
        self.eval = Some(dataset);
        self
    }

    /// What else to evaluate; several run in the order in which they are given.
    #[must_use]
    pub fn evaluator(mut self, evaluator: impl Evaluator + 'static) -> Self {
        self.evaluators.push(Box::new(evaluator));
        self
    }

    /// Whether Ctrl-C, or a request to terminate, saves a checkpoint and ends the run; it does unless this says no. The handler is the
    /// process's: it stays installed after the run, and then Ctrl-C ends the process as ever.
    #[must_use]
    pub fn handle_interrupt(mut self, handle: bool) -> Self {
        self.handle_interrupt = handle;
        self
    }

    /// Trains, and saves the model, the checkpoints and `trainer_state.json` into `output_dir`.
    ///
    /// # Errors
    /// Before the first step: arguments that cannot be, no or too little data, columns without a role, an output folder that cannot be
    /// written or that another run is writing into. Later: data that cannot be read, a loss or gradient that is not finite, a disk that is
    /// full; then `trainer_state.json` is that of the last step.
    pub fn train(self) -> Result<TrainOutput> {
        self.args.validate()?;
        self.loss.validate()?;
        let Self { model, loss, args, train, eval, evaluators, handle_interrupt } = self;
        let train = train.ok_or(Error::NoTrainDataset)?;
        let collator = Arc::new(Collator::new(model.tokenizer().clone(), train.clone())?);
        let sampler = train_sampler(&args, &train)?;
        let plan = Plan::new(&args, sampler.batches_per_epoch());
        args.validate_steps(plan.max_steps)?;
        let train_rows = train.len();
        let train = Loader::new(collator, sampler, plan.num_train_epochs);
        let eval = match eval {
            Some(eval) => eval_loader(&args, eval, &model)?,
            None => train.slice(0, 0),
        };
        let evaluation = Evaluation { batches: eval.clone(), evaluators };
        evaluation.check(&args)?;
        let schedule = Schedule::new(&args, plan.max_steps)?;
        let optimizer = AdamW::from_arguments(&args, model.parameters())?;
        let _claim = output::claim(&args.output_dir)?;

        materialize(&model);
        let model = model.train();
        let progress = Progress::new(plan.max_steps);
        let (parameters, rows) =
            (model.num_params(), args.per_device_train_batch_size * args.gradient_accumulation_steps);
        progress.say(&format!(
            "training {parameters} parameters on {train_rows} rows: {} steps of {rows} rows",
            plan.max_steps
        ));
        let run = Run {
            schedule,
            optimizer,
            state: TrainerState::new(&args, &plan),
            args: args.clone(),
            plan,
            evaluation,
            progress: progress.clone(),
        };
        let started = Instant::now();
        let (model, outcome, registration) =
            launch(run, TrainingModel::new(model, loss), train, eval, handle_interrupt)?;
        let output = finish(&args, model, outcome, started, &progress);
        // Without it, one Ctrl-C would end the process in the middle of saving.
        drop(registration);
        output
    }
}

/// Runs the loop inside burn-train, which must not write files of its own. Ctrl-C still goes to the run when it is over.
fn launch(
    run: Run,
    model: TrainingModel,
    train: Loader,
    eval: Arc<dyn DataLoader<crate::loader::MicroBatch>>,
    handle_interrupt: bool,
) -> Result<(ColBert, Outcome, Option<Registration>)> {
    let interrupter = Interrupter::new();
    let registration = handle_interrupt.then(|| Registration::new(interrupter.clone(), run.progress.clone()));
    let (epochs, progress, dir) = (run.plan.num_train_epochs, run.progress.clone(), run.args.output_dir.clone());
    let strategy = Arc::new(StepStrategy::new(run));
    let result = SupervisedTraining::<TrainingModel>::new(dir.clone(), Arc::new(train), eval)
        .num_epochs(epochs)
        .metric_train_numeric(Gauge::loss())
        .metric_train_numeric(Gauge::learning_rate())
        .metric_train_numeric(Gauge::grad_norm())
        .metric_train_numeric(Gauge::triplets())
        .metric_train_numeric(Gauge::tokens())
        .metric_valid_numeric(Gauge::loss())
        .with_metric_logger(Means::default())
        .with_application_logger(None)
        .renderer(Box::new(progress))
        .with_interrupter(interrupter)
        .with_training_strategy(TrainingStrategy::Custom(strategy.clone()))
        .launch(Learner::new(model, SgdConfig::new().init(), 0.0));
    let outcome = strategy.outcome().unwrap_or_else(|| Err(Error::Engine("it did not begin".to_owned())))?;
    match result.error {
        Some(error) => Err(outcome.state.save_after(Error::Engine(error.to_string()), &dir)),
        None => Ok((result.model.model, outcome, registration.inspect(Registration::finishing))),
    }
}

/// Logs the totals and saves what a run leaves.
fn finish(
    args: &TrainingArguments,
    model: ColBert,
    outcome: Outcome,
    started: Instant,
    progress: &Progress,
) -> Result<TrainOutput> {
    let Outcome { mut state, training_loss, work, interrupted } = outcome;
    let seconds = started.elapsed().as_secs_f64();
    let metrics = [
        ("train_runtime", seconds),
        ("train_samples_per_second", work.rows as f64 / seconds),
        ("train_steps_per_second", work.steps as f64 / seconds),
        ("total_flos", state.total_flos),
        ("train_loss", training_loss),
    ];
    let metrics = metrics.map(|(name, value)| (name.to_owned(), value));
    if !interrupted {
        progress.results(state.global_step, state.epoch, &metrics);
        state.log(metrics.clone());
        if let Err(error) = model.save_pretrained(&args.output_dir) {
            return Err(state.save_after(error.into(), &args.output_dir));
        }
    }
    state.save(&args.output_dir)?;
    let (global_step, metrics) = (state.global_step, metrics.into());
    Ok(TrainOutput { model, global_step, training_loss, metrics, state, interrupted })
}

fn train_sampler(args: &TrainingArguments, dataset: &Dataset) -> Result<BatchSampler> {
    let (size, sampling) = (args.per_device_train_batch_size, args.train_sampling_strategy);
    let sampler = BatchSampler::new(&dataset.clone().into(), size, sampling, args.dataloader_drop_last, args.seed)?;
    has_batches("train", dataset, size, &sampler)?;
    Ok(sampler)
}

/// The eval dataset in its own order, so that in-batch negatives are the same each time.
fn eval_loader(
    args: &TrainingArguments,
    dataset: Dataset,
    model: &ColBert,
) -> Result<Arc<dyn DataLoader<crate::loader::MicroBatch>>> {
    let collator = Arc::new(Collator::new(model.tokenizer().clone(), dataset.clone())?);
    let (size, drop_last) = (args.per_device_eval_batch_size, args.dataloader_drop_last);
    let sampler = BatchSampler::new(&dataset.clone().into(), size, Sampling::Sequential, drop_last, args.seed)?;
    has_batches("eval", &dataset, size, &sampler)?;
    Ok(Arc::new(Loader::new(collator, sampler, 1)))
}

fn has_batches(which: &'static str, dataset: &Dataset, batch_size: usize, sampler: &BatchSampler) -> Result<()> {
    match sampler.batches_per_epoch() {
        0 => Err(Error::NoBatch { which, rows: dataset.len(), batch_size }),
        _ => Ok(()),
    }
}

/// Draws all initial values that are still to be drawn: the generator is seeded anew before each micro-batch, and they must not depend on
/// that.
fn materialize(model: &ColBert) {
    struct Touch;
    impl ModuleVisitor for Touch {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            drop(param.val());
        }
    }
    model.visit(&mut Touch);
}
