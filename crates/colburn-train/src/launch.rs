//! From what a trainer was given to a run, and from its end to what is left of it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use burn::data::dataloader::DataLoader;
use burn::module::{Module, ModuleVisitor, Param};
use burn::optim::SgdConfig;
use burn::tensor::Tensor;
use burn::train::{Interrupter, Learner, SupervisedTraining, TrainingStrategy};
use colburn_eval::Evaluator;
use colburn_loss::Loss;
use colburn_model::ColBert;
use colburn_ops::Precision;

use crate::callbacks::{Callbacks, Event};
use crate::card::{self, RunCard, Subject};
use crate::datasets::{Datasets, EvalSet};
use crate::evaluation::Evaluation;
use crate::interrupt::Registration;
use crate::loader::Loader;
use crate::manifest;
use crate::memory::MiniBatches;
use crate::metrics::{Gauge, Means};
use crate::plan::Plan;
use crate::progress::Progress;
use crate::report::{DataFacts, RunFacts};
use crate::resume::{self, Resumed};
use crate::strategy::StepStrategy;
use crate::tally::Tally;
use crate::training::{Outcome, Run};
use crate::training_model::TrainingModel;
use crate::{
    AdamW, Error, Result, Schedule, TrainOutput, Trainer, TrainerState, TrainingArguments, checkpoint, learning_rates,
    output, preflight, report,
};
#[cfg(feature = "hub")]
use crate::{Callback, push};

pub(crate) fn train(trainer: Trainer) -> Result<TrainOutput> {
    trainer.args.validate()?;
    let mut losses = std::iter::once(&trainer.loss).chain(trainer.losses.iter().map(|(_, loss)| loss));
    losses.try_for_each(|loss| loss.validate())?;
    let Trainer {
        model,
        loss,
        losses,
        args,
        train,
        eval,
        evaluators,
        callbacks,
        optimizer,
        schedule,
        handle_interrupt,
        card: card_data,
        #[cfg(feature = "hub")]
        hub,
    } = trainer;
    let (named_train, named_eval) = (train.clone(), eval.clone());
    let datasets = Datasets::new(&args, model.tokenizer(), train, eval, &loss, &losses)?;
    let Datasets { train, eval, losses, rows } = datasets;
    let facts = facts(&model, &train, &eval, &losses, &evaluators);
    let plan = Plan::new(&args, train.batches_per_epoch());
    args.validate_steps(plan.max_steps)?;
    let train = train.of_epochs(plan.num_train_epochs);
    let measured = card::measured(&evaluators);
    let evaluation = Evaluation::new(eval, evaluators)?;
    evaluation.check(&args)?;
    evaluation.check_model(&model)?;
    let schedule = match schedule {
        Some(schedule) => schedule,
        None => Box::new(Schedule::new(&args, plan.max_steps)?),
    };
    // A model from a checkpoint has parameters of its own; that the arguments fit them is seen before the folder is made.
    learning_rates::check(&args, &model.parameters(), optimizer.is_some())?;
    let _claim = output::claim(&args.output_dir)?;

    let progress = Progress::new(plan.max_steps);
    #[cfg(feature = "hub")]
    let pusher = push::begin(&args, hub, &progress)?;
    #[cfg(feature = "hub")]
    let target = pusher.as_ref().map(|pusher| pusher.target().clone());
    #[cfg(feature = "hub")]
    let repo = target.as_ref().map(push::Target::repo);
    #[cfg(not(feature = "hub"))]
    let repo = None;
    let subject = Subject {
        model: &model,
        args: &args,
        data: &card_data,
        repo,
        train: &named_train,
        eval: &named_eval,
        losses: &losses,
        measured,
    };
    let card = RunCard::new(subject).map(Arc::new);
    let mut state = TrainerState::new(&args, &plan);
    let mut tally = Tally { rows: rows.clone(), ..Default::default() };
    let mut callbacks = callbacks;
    callbacks.extend(report::reporters(&args.reporters()?, &facts));
    // Last, when all that is to be uploaded is written.
    #[cfg(feature = "hub")]
    callbacks.extend(pusher.map(|pusher| Box::new(pusher) as Box<dyn Callback>));
    let mut callbacks = Callbacks::new(callbacks)?;
    let mut model = model;
    let resumed = match resume::find(&args)? {
        Some(path) => {
            let Resumed { path, model: at, state: then, tally: counted } = Resumed::load(path, &model, &args, &rows)?;
            (model, tally) = (at, counted);
            state = state.going_on_from(then);
            callbacks.load(&state)?;
            Some(path)
        }
        None => None,
    };

    materialize(&model);
    let mut optimizer = match optimizer {
        Some(optimizer) => optimizer,
        None => Box::new(AdamW::from_arguments(&args, model.parameters())?),
    };
    if let Some(path) = &resumed {
        optimizer.load(&model, &path.join(checkpoint::OPTIMIZER))?;
    }
    let found = tally.mini_batch_size.filter(|_| args.auto_find_batch_size);
    let size = found.into_iter().chain(args.mini_batch_size).min();
    let mini_batches = MiniBatches { size, auto: args.auto_find_batch_size };
    announce(&progress, &args, &plan, &model, &rows, resumed.as_deref());
    let precision = model.precision();
    if args.bf16 {
        model = model.with_precision(Precision::Bf16);
    }
    let model = TrainingModel::new(model.train(), losses);
    let mini_batches = preflight::run(&model, &train, &evaluation, mini_batches, &args)?;
    // From here on files of the run are changed.
    let written = match &resumed {
        Some(path) => resume::rewind(&args, path, &state)?,
        None => BTreeSet::new(),
    };
    let run = Run {
        schedule,
        optimizer,
        state,
        tally,
        mini_batches,
        written,
        callbacks,
        args: args.clone(),
        plan,
        evaluation,
        progress: progress.clone(),
        card: card.clone(),
    };
    let started = Instant::now();
    let (model, outcome, registration) = launch(run, model, train, handle_interrupt)?;
    let output = finish(&args, model.with_precision(precision), outcome, card.as_deref(), started, &progress);
    // Without it, one Ctrl-C would end the process in the middle of saving.
    drop(registration);
    #[cfg(feature = "hub")]
    let output = output.map(|output| TrainOutput { push: target.as_ref().map(push::Target::output), ..output });
    output
}

/// What the reports say of the run.
fn facts(
    model: &ColBert,
    train: &Loader,
    eval: &[EvalSet],
    losses: &[Arc<dyn Loss>],
    evaluators: &[Box<dyn Evaluator>],
) -> RunFacts {
    let of_losses = train.names().chain(eval.iter().map(|set| set.name.as_str())).zip(losses);
    let mut loss = Vec::new();
    for (dataset, own) in of_losses {
        let named = if dataset.is_empty() { own.name().to_owned() } else { format!("{dataset}: {}", own.name()) };
        if !loss.contains(&named) {
            loss.push(named);
        }
    }
    let data = |name: &str, description: String, rows: usize| DataFacts { name: name.to_owned(), description, rows };
    let of_training = train.names().zip(train.examples());
    RunFacts {
        model: model.name_or_path().display().to_string(),
        parameters: model.num_params(),
        loss,
        train: of_training.map(|(name, examples)| data(name, examples.description(), examples.len())).collect(),
        eval: eval.iter().map(|set| data(&set.name, set.description.clone(), set.rows)).collect(),
        evaluators: evaluators.iter().flat_map(|evaluator| evaluator.metrics()).collect(),
        device: colburn_ops::device::name(&model.device()).to_owned(),
    }
}

fn announce(
    progress: &Progress,
    args: &TrainingArguments,
    plan: &Plan,
    model: &ColBert,
    rows: &[usize],
    resumed: Option<&Path>,
) {
    let (parameters, all) = (model.num_params(), rows.iter().sum::<usize>());
    let together = args.per_device_train_batch_size * args.gradient_accumulation_steps;
    progress
        .say(&format!("training {parameters} parameters on {all} rows: {} steps of {together} rows", plan.max_steps));
    if let Some(path) = resumed {
        progress.say(&format!("going on from {}", path.display()));
    }
}

/// Runs the loop inside burn-train, which must not write files of its own. Ctrl-C still goes to the run when it is over.
fn launch(
    run: Run,
    model: TrainingModel,
    train: Loader,
    handle_interrupt: bool,
) -> Result<(ColBert, Outcome, Option<Registration>)> {
    let interrupter = Interrupter::new();
    let registration = handle_interrupt.then(|| Registration::new(interrupter.clone(), run.progress.clone()));
    let (epochs, progress, dir) = (run.plan.num_train_epochs, run.progress.clone(), run.args.output_dir.clone());
    // The strategy has its own eval sets; burn-train only wants to know that there is something of the kind.
    let eval = train.slice(0, 0);
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
    mut model: ColBert,
    outcome: Outcome,
    card: Option<&RunCard>,
    started: Instant,
    progress: &Progress,
) -> Result<TrainOutput> {
    let Outcome { mut state, mut callbacks, training_loss, work, interrupted } = outcome;
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
        let best;
        (model, best) = best_or_last(args, &state, model, progress);
        let step = state.best_global_step.filter(|_| best).unwrap_or(state.global_step);
        let card = card.map(|card| card.of(&state, step, best));
        if let Err(error) = model.save_pretrained_with(&args.output_dir, card.as_deref()) {
            return Err(state.save_after(error.into(), &args.output_dir));
        }
    }
    callbacks.store(&mut state);
    state.save(&args.output_dir)?;
    // Only now, when nothing can be lost by an error of a callback.
    let logged = match state.log_history.last().filter(|_| !interrupted) {
        Some(entry) => callbacks.tell(&Event::Log(entry), args, &state),
        None => Ok(()),
    };
    // Uploads and reports are finished whatever another callback did.
    logged.and(callbacks.tell(&Event::TrainEnd, args, &state))?;
    let (global_step, metrics) = (state.global_step, metrics.into());
    Ok(TrainOutput {
        model,
        global_step,
        training_loss,
        metrics,
        state,
        interrupted,
        #[cfg(feature = "hub")]
        push: None,
    })
}

/// The model of the best checkpoint, where that is wanted and there is one, and whether it is that. Without it the trained one must not be
/// lost.
fn best_or_last(args: &TrainingArguments, state: &TrainerState, last: ColBert, progress: &Progress) -> (ColBert, bool) {
    if !args.load_best_model_at_end {
        return (last, false);
    }
    let noted = state.best_model_checkpoint.as_ref().map(Path::new);
    // The output folder may have been moved since.
    let moved = noted.and_then(Path::file_name).map(|name| args.output_dir.join(name));
    for path in moved.iter().map(PathBuf::as_path).chain(noted) {
        let loaded = manifest::verify(path).and_then(|()| Ok(ColBert::from_pretrained(path, &last.device())?));
        match loaded {
            Ok(best) => {
                progress.say(&format!("loading the best model, {}", path.display()));
                return (best, true);
            }
            Err(error) => tracing::warn!("{error}"),
        }
    }
    tracing::warn!("there is no best checkpoint to load: the model is that of the last step");
    (last, false)
}

/// Draws all initial values that are still to be drawn, before anything else is done with them.
fn materialize(model: &ColBert) {
    struct Touch;
    impl ModuleVisitor for Touch {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            drop(param.val());
        }
    }
    model.visit(&mut Touch);
}
