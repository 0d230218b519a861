//! The set-up of a run: the stages from the parts of a trainer to the training loop.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::Tensor;
use colburn_loss::Loss;
use colburn_model::ColBert;
use colburn_ops::Precision;
#[cfg(feature = "hub")]
use colburn_report::Reporter;
use colburn_report::card::{CardInput, EvaluatorInfo, NamedExamples, RunCard};
use colburn_report::{Console, DatasetInfo, RunInfo, RunLimits, TrainerState};
use serde_json::{Map, Value};

use super::burn_train::{self, LearnerEvents, StopSignal, Trained};
use super::evaluation::Evaluation;
use super::finish::{TrainOutput, finish};
use super::interrupt::Registration;
use super::loop_state::{self, LoopState};
use super::output_lock::OutputLock;
use super::parts::TrainerParts;
use super::reporting;
use super::resume::{self, Resumed, RunInputs};
use super::step::{self, ForwardOptions, MiniBatchSize};
use super::throughput::Throughput;
use super::training_loop::TrainingLoop;
use crate::arguments::derived::in_steps;
use crate::callback::list::Callbacks;
use crate::checkpoint::folder;
use crate::data::loader::Loader;
use crate::data::plan::Plan;
use crate::optim::{self, learning_rates, schedule::Schedule};
use crate::{Error, GradScaler, LearningRate, Optimizer, Result, TrainingArguments};

/// The most steps whose learning rate is looked at before the run.
const LOOKED_AT: usize = 1000;

/// Trains a model, from the parts of a trainer to the files that the run leaves.
pub(crate) fn train(model: ColBert, mut parts: TrainerParts) -> Result<TrainOutput> {
    parts.args.validate()?;
    let precision = model.precision();
    let training_precision = parts.args.precision(&model.device())?.unwrap_or(precision);
    let grad_scaler = grad_scaler(&parts, training_precision)?;
    parts.datasets.check_losses()?;
    let data = RunData::new(&model, &parts)?;
    let schedule = schedule(&model, &mut parts, &data.plan)?;
    let _lock = lock_output(&parts)?;
    let console = console(&parts, &data.plan);
    let mut reports = Reports::new(&model, &mut parts, &data, &console)?;
    let mut start = Start::new(model, &parts, &data, &mut reports.callbacks)?;
    let earlier = start.loop_state.grad_scaler;
    start.loop_state.grad_scaler = grad_scaler.map(|scaler| earlier.map_or(scaler, |earlier| scaler.resumed(&earlier)));
    let optimizer = optimizer(&mut parts, &start)?;
    announce(&parts, &data, &start, &console);

    let model = start.model.with_precision(training_precision).train();
    let mini_batch_size = preflight(&parts, &data, &model, &start.loop_state)?;
    // From here on files of the run are changed.
    let written = match &start.checkpoint {
        Some(path) if parts.ranks.rank() == 0 => resume::rewind(&parts.args, path, &start.state)?,
        _ => BTreeSet::new(),
    };
    parts.ranks.barrier()?;

    let started = Instant::now();
    let TrainerParts { args, ranks, handle_interrupt, .. } = parts;
    let epochs = data.plan.num_train_epochs;
    let training_loop = TrainingLoop {
        args: args.clone(),
        plan: data.plan,
        ranks: ranks.clone(),
        batches: data.batches,
        losses: data.losses,
        parameters: model.parameters(),
        mini_batch_size,
        optimizer,
        schedule,
        state: start.state,
        loop_state: start.loop_state,
        inputs: data.inputs_json,
        callbacks: reports.callbacks,
        evaluation: data.evaluation,
        throughput: Throughput::default(),
        console: console.clone(),
        card: reports.card.clone(),
        written,
        unread: None,
        last_skipped: None,
    };
    let stop = StopSignal::default();
    let registration = handle_interrupt.then(|| Registration::new(stop.clone(), console.clone()));
    let train = move |model: ColBert, events: &mut LearnerEvents| training_loop.run(model, events);
    let Trained { model, output, error } = burn_train::run(model, epochs, &args.output_dir, &console, &stop, train)?;
    if let Some(error) = error {
        return Err(output.state.save_after(error, &args.output_dir));
    }
    if let Some(registration) = &registration {
        registration.finishing();
    }
    let model = model.with_precision(precision);
    let output = finish(&args, ranks.as_ref(), model, output, reports.card.as_deref(), started, &console);
    // Until here a first Ctrl-C does not end the process in the middle of saving.
    drop(registration);
    #[cfg(feature = "hub")]
    let output = output.map(|output| TrainOutput { push: reports.push.map(|push| push.output()), ..output });
    output
}

/// The data of a run: batches, losses, the plan of the steps, the evaluation.
struct RunData {
    batches: Loader,
    /// The loss of each training dataset, then of each eval dataset.
    losses: Arc<[Arc<dyn Loss>]>,
    plan: Plan,
    evaluation: Evaluation,
    inputs: RunInputs,
    /// The same for the state of the run.
    inputs_json: Value,
    rows: Vec<usize>,
}

impl RunData {
    fn new(model: &ColBert, parts: &TrainerParts) -> Result<Self> {
        let TrainerParts { args, datasets, ranks, .. } = parts;
        datasets.check_names()?;
        let batches = datasets.train_batches(args, model.tokenizer(), ranks.as_ref())?;
        let eval_sets = datasets.eval_sets(args, model.tokenizer())?;
        let losses: Arc<[_]> = datasets.losses().into();
        let plan = Plan::new(args, batches.batches_per_epoch());
        args.validate_steps(plan.max_steps)?;
        let precision = args.eval_precision(&model.device())?;
        let evaluation = Evaluation::new(eval_sets, losses.clone(), parts.boxed_evaluators(), precision)?;
        evaluation.check(args)?;
        evaluation.check_model(model)?;
        let inputs = RunInputs::new(datasets)?;
        let json = |source| Error::Json { path: args.output_dir.clone(), source };
        let inputs_json = serde_json::to_value(&inputs).map_err(json)?;
        Ok(Self { batches, losses, plan, evaluation, inputs, inputs_json, rows: datasets.rows() })
    }
}

/// The learning rates of the run.
fn schedule(model: &ColBert, parts: &mut TrainerParts, plan: &Plan) -> Result<Box<dyn LearningRate>> {
    let schedule = match parts.schedule.take() {
        Some(schedule) => schedule,
        None => Box::new(Schedule::new(&parts.args, plan.max_steps)?),
    };
    // Of a long run every so many steps are looked at, of a short one all.
    let mut steps = (0..plan.max_steps).step_by(plan.max_steps.div_ceil(LOOKED_AT).max(1));
    if parts.ranks.rank() == 0 && plan.max_steps > 0 && steps.all(|step| schedule.rate(step) == 0.0) {
        tracing::warn!("the learning rate is 0 at all of {} steps, so the weights stay as they are", plan.max_steps);
    }
    // The model of a checkpoint has the same parameters; errors in the arguments are found before the folder is made.
    learning_rates::check(&parts.args, &model.parameters(), parts.optimizer.is_some())?;
    Ok(schedule)
}

/// The scaler of the loss: the one that was given, or that of a run in f16.
fn grad_scaler(parts: &TrainerParts, precision: Precision) -> Result<Option<GradScaler>> {
    let scaler = parts.grad_scaler.or((precision == Precision::F16).then(GradScaler::default));
    scaler.iter().try_for_each(GradScaler::validate)?;
    Ok(scaler)
}

/// Rank 0 prepares and locks the output folder before another rank looks into it.
fn lock_output(parts: &TrainerParts) -> Result<Option<OutputLock>> {
    let lock = if parts.ranks.rank() == 0 { Some(OutputLock::new(&parts.args.output_dir)?) } else { None };
    parts.ranks.barrier()?;
    Ok(lock)
}

fn console(parts: &TrainerParts, plan: &Plan) -> Console {
    if parts.quiet || parts.ranks.rank() != 0 { Console::quiet() } else { Console::new(plan.max_steps) }
}

/// The callbacks with the reporters, and the model cards. Only rank 0 has some.
struct Reports {
    callbacks: Callbacks,
    card: Option<Arc<RunCard>>,
    #[cfg(feature = "hub")]
    push: Option<colburn_report::push::PushStatus>,
}

impl Reports {
    fn new(model: &ColBert, parts: &mut TrainerParts, data: &RunData, console: &Console) -> Result<Self> {
        if parts.ranks.rank() != 0 {
            return Ok(Self {
                callbacks: Callbacks::default(),
                card: None,
                #[cfg(feature = "hub")]
                push: None,
            });
        }
        let mut callbacks = std::mem::take(&mut parts.callbacks);
        let reporters = colburn_report::reporters(&parts.args.reporters()?);
        let reporters = reporters.into_iter().chain(std::mem::take(&mut parts.reporters));
        let info = run_info(model, parts, data);
        #[cfg(feature = "hub")]
        let push = push(parts, console)?;
        #[cfg(feature = "hub")]
        let (repo, status) =
            (push.as_ref().map(|push| push.repo().to_owned()), push.as_ref().map(|push| push.status()));
        #[cfg(not(feature = "hub"))]
        let (repo, _) = (None, console);
        // The last reporter uploads the files of the others.
        #[cfg(feature = "hub")]
        let reporters = reporters.chain(push.map(|push| Box::new(push) as Box<dyn Reporter>));
        let card = RunCard::new(CardInput {
            model,
            arguments: &info.arguments,
            default_arguments: &info.default_arguments,
            mini_batch_size: parts.args.mini_batch_size,
            data: &parts.card,
            repo,
            train: &parts.datasets.train,
            eval: &parts.datasets.eval,
            losses: &data.losses,
            evaluators: parts.evaluators.iter().map(|evaluator| EvaluatorInfo::new(evaluator)).collect(),
        });
        callbacks.extend(reporting::callbacks(reporters.collect(), info));
        Ok(Self {
            callbacks: Callbacks::new(callbacks, &loop_state::KEYS)?,
            card: card.map(Arc::new),
            #[cfg(feature = "hub")]
            push: status,
        })
    }
}

/// The description of the run for its reporters.
fn run_info(model: &ColBert, parts: &TrainerParts, data: &RunData) -> RunInfo {
    let TrainerParts { args, datasets, evaluators, .. } = parts;
    let named = datasets.train.iter().chain(&datasets.eval).zip(data.losses.iter());
    let mut losses = Vec::new();
    for (dataset, loss) in named {
        let name = loss.name();
        let name = if dataset.name.is_empty() { name.to_owned() } else { format!("{}: {name}", dataset.name) };
        if !losses.contains(&name) {
            losses.push(name);
        }
    }
    let infos = |sets: &[NamedExamples]| -> Vec<DatasetInfo> {
        let info = |set: &NamedExamples| DatasetInfo {
            name: set.name.clone(),
            description: set.examples.description(),
            rows: set.examples.rows(),
        };
        sets.iter().map(info).collect()
    };
    RunInfo {
        output_dir: args.output_dir.clone(),
        logging_dir: args.logging_dir(),
        run_name: args.run_name.clone(),
        arguments: arguments_as_json(args),
        default_arguments: arguments_as_json(&TrainingArguments::default()),
        num_train_epochs: (args.max_steps == -1).then_some(args.num_train_epochs),
        metric_for_best_model: args.metric_for_best_model(),
        model: model.name_or_path().display().to_string(),
        parameters: model.num_params(),
        loss: losses,
        train: infos(&datasets.train),
        eval: infos(&datasets.eval),
        evaluators: evaluators.iter().flat_map(|evaluator| evaluator.metrics()).collect(),
        primary_metrics: evaluators.iter().filter_map(|evaluator| evaluator.primary_metric()).collect(),
        device: colburn_ops::device::name(&model.device()).to_owned(),
    }
}

/// The arguments for reports. Paths that are not UTF-8, which JSON cannot hold, are shown with replacement characters.
fn arguments_as_json(args: &TrainingArguments) -> Map<String, Value> {
    let shown = |path: &Path| PathBuf::from(path.to_string_lossy().into_owned());
    colburn_report::arguments_as_json(&TrainingArguments {
        output_dir: shown(&args.output_dir),
        logging_dir: args.logging_dir.as_deref().map(shown),
        ..args.clone()
    })
}

/// The uploads of the run, if the arguments ask for them. The repository is made at once.
#[cfg(feature = "hub")]
fn push(parts: &mut TrainerParts, console: &Console) -> Result<Option<colburn_report::push::Push>> {
    use colburn_report::push::{Push, PushOptions};

    let args = &parts.args;
    if !args.push_to_hub {
        return Ok(None);
    }
    let options = PushOptions {
        repo: args.hub_repository()?,
        revision: args.hub_revision.clone(),
        private: args.hub_private_repo,
        strategy: args.hub_strategy,
        always_push: args.hub_always_push,
        epochs_in_messages: args.save_strategy == crate::SaveStrategy::Epoch,
        output_dir: args.output_dir.clone(),
        training_files: folder::TRAINING_FILES.map(str::to_owned).to_vec(),
    };
    let hub = parts.hub.take().unwrap_or_else(colburn_hub::Hub::from_env);
    Ok(Some(Push::new(options, hub, console)?))
}

/// The state from which the loop starts: that of a new run, or of a checkpoint.
struct Start {
    model: ColBert,
    state: TrainerState,
    loop_state: LoopState,
    /// The checkpoint that is resumed.
    checkpoint: Option<PathBuf>,
}

impl Start {
    fn new(model: ColBert, parts: &TrainerParts, data: &RunData, callbacks: &mut Callbacks) -> Result<Self> {
        let state = TrainerState::new(limits(&parts.args, &data.plan));
        let start = match resume::find(&parts.args)? {
            Some(path) => {
                let resumed = Resumed::load(path, &model, &parts.args, &data.inputs)?;
                let state = state.resumed_from(resumed.state);
                callbacks.load(&state)?;
                let Resumed { path, model, loop_state, .. } = resumed;
                Self { model, state, loop_state, checkpoint: Some(path) }
            }
            None => {
                let loop_state = LoopState { rows: data.rows.clone(), ..LoopState::default() };
                Self { model, state, loop_state, checkpoint: None }
            }
        };
        materialize(&start.model);
        Ok(Self { model: parts.ranks.broadcast(start.model)?, ..start })
    }
}

/// The extent of the run and its intervals, in steps.
fn limits(args: &TrainingArguments, plan: &Plan) -> RunLimits {
    RunLimits {
        max_steps: plan.max_steps,
        num_train_epochs: plan.num_train_epochs,
        logging_steps: in_steps(args.logging_steps, plan.max_steps),
        eval_steps: in_steps(args.eval_steps.unwrap_or(args.logging_steps), plan.max_steps),
        save_steps: in_steps(args.save_steps, plan.max_steps),
        train_batch_size: args.per_device_train_batch_size,
    }
}

/// Draws all weights of a new model, before anything else is done with them.
fn materialize(model: &ColBert) {
    struct ReadAll;
    impl ModuleVisitor for ReadAll {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            drop(param.val());
        }
    }
    model.visit(&mut ReadAll);
}

/// The optimizer, with its state in the checkpoint.
fn optimizer(parts: &mut TrainerParts, start: &Start) -> Result<Box<dyn Optimizer>> {
    let mut optimizer = match parts.optimizer.take() {
        Some(optimizer) => optimizer,
        None => optim::by_name(&parts.args, start.model.parameters())?,
    };
    if let Some(path) = &start.checkpoint {
        optimizer.load(&start.model, &path.join(folder::OPTIMIZER))?;
    }
    Ok(optimizer)
}

fn announce(parts: &TrainerParts, data: &RunData, start: &Start, console: &Console) {
    let (parameters, rows) = (start.model.num_params(), data.rows.iter().sum::<usize>());
    let per_rank = parts.args.per_device_train_batch_size * parts.args.gradient_accumulation_steps;
    let (steps, together) = (data.plan.max_steps, per_rank * parts.ranks.world_size());
    let is_streamed = parts.datasets.train.iter().any(|named| named.examples.rows().is_none());
    let rows = if is_streamed { "streamed".to_owned() } else { rows.to_string() };
    console.say(&format!("training {parameters} parameters on {rows} rows: {steps} steps of {together} rows"));
    if let Some(path) = &start.checkpoint {
        console.say(&format!("resuming from {}", path.display()));
    }
}

/// Tests the first rows of every dataset before any long work: they go through model and loss, forward and backward. Nothing of it is kept, and
/// dropout follows from the step, so that the run is the same as without it. Returns the size of mini-batches that fits into memory.
///
/// # Errors
/// [`Error::Preflight`], naming the dataset.
fn preflight(parts: &TrainerParts, data: &RunData, model: &ColBert, loop_state: &LoopState) -> Result<MiniBatchSize> {
    let TrainerParts { args, ranks, .. } = parts;
    let found = loop_state.mini_batch_size.filter(|_| args.auto_find_batch_size);
    let size = found.into_iter().chain(args.mini_batch_size).min();
    let mut mini_batch_size = MiniBatchSize { size, auto: args.auto_find_batch_size };
    let options = ForwardOptions { mini_batch_size: None, dropout_seed: Some(args.seed), loss_scale: 1.0 };
    for (dataset, examples) in data.batches.examples().enumerate() {
        let failed = |message: String| Error::Preflight { of: examples.description(), message };
        let rows: Vec<usize> = (0..examples.len().min(args.per_device_train_batch_size)).collect();
        let batch = data.batches.batch(dataset, &rows, 0).map_err(|error| failed(error.to_string()))?;
        let loss = data.losses[batch.loss].as_ref();
        let (loss, gradients) = mini_batch_size
            .gradients(model, loss, &batch.batch, options, ranks.as_ref(), &mut || Ok(1.0))
            .map_err(|error| failed(error.to_string()))?;
        let (loss, norm) = step::read_loss_and_norm(model, &loss, &gradients, 0)?;
        if !(loss.is_finite() && norm.is_finite()) {
            return Err(failed(format!(
                "the loss of its first rows is {loss}, with a gradient norm of {norm}; finite numbers are expected (are the weights of the \
                 model and the settings of the loss right?)"
            )));
        }
    }
    data.evaluation.try_first_batches(&model.valid())?;
    Ok(mini_batch_size)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_become_steps() {
        let args =
            TrainingArguments { logging_steps: 0.1, eval_steps: Some(0.5), save_steps: 20.0, ..Default::default() };
        let plan = Plan::new(&args, 5);
        let found = limits(&args, &plan);
        assert_eq!((found.max_steps, found.logging_steps, found.eval_steps, found.save_steps), (15, 2, 8, 20));
        let args = TrainingArguments { eval_steps: None, ..args };
        assert_eq!(limits(&args, &plan).eval_steps, 2);
    }

    #[cfg(unix)]
    #[test]
    fn paths_that_are_not_utf8_are_arguments_too() {
        use std::os::unix::ffi::OsStrExt;
        let output_dir = Path::new(std::ffi::OsStr::from_bytes(b"run-\xff")).to_owned();
        let found = arguments_as_json(&TrainingArguments { output_dir, ..Default::default() });
        assert_eq!((&found["output_dir"], &found["seed"]), (&"run-\u{fffd}".into(), &42.into()));
    }
}
