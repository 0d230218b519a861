//! `colburn train`: a run's description in, a trained model out.

use std::fs;
use std::path::{Path, PathBuf};

use colburn::model::{ColBert, ColBertOptions};
use colburn::ops::device::by_name;
use colburn::train::{EarlyStoppingCallback, ResumeFromCheckpoint, Trainer, TrainingArguments};

use crate::command_line::TrainArguments;
use crate::config::{DatasetConfig, LossConfig, Objective, RunConfig};
use crate::rows::Rows;
use crate::{Error, Outcome, Result, evaluation, output};

pub fn run(arguments: &TrainArguments) -> Result<Outcome> {
    let mut run = RunConfig::read(&arguments.run, &arguments.set)?;
    match &arguments.resume {
        None => {}
        Some(None) => run.training.resume_from_checkpoint = ResumeFromCheckpoint::Last,
        Some(Some(checkpoint)) => run.training.resume_from_checkpoint = ResumeFromCheckpoint::From(checkpoint.clone()),
    }
    output::log(run.training.log_level);
    if arguments.resume.is_some() && !run.training.trains() {
        return Err(Error::NothingToResume);
    }
    run.training.validate()?;
    let device = by_name(arguments.device.name.as_deref().or(run.training.device.as_deref()))?;
    let rows = Rows::load(&run)?;
    // What a model lacks is drawn from the run's seed unless the model has its own.
    let seed = run.model.options.seed.or(Some(run.training.seed));
    let options = ColBertOptions { seed, ..run.model.options.clone() };
    let model = ColBert::from_pretrained_with(&run.model.name_or_path, &options, &device)?;
    if !run.training.trains() {
        evaluation::run(&run, &rows, &model)?;
        return Ok(Outcome::Done);
    }
    say_what_lies_there(&run.training);

    let trained = trainer(&run, &rows, model)?.train()?;
    let (output_dir, steps, loss) = (&run.training.output_dir, trained.global_step, trained.training_loss);
    if trained.interrupted {
        let checkpoint = output_dir.join(format!("checkpoint-{steps}"));
        let place = checkpoint.display();
        output::say(&format!("interrupted after {steps} steps, mean loss {loss:.4}: --resume goes on from {place}"));
        return Ok(Outcome::Interrupted);
    }
    output::say(&format!("trained for {steps} steps, mean loss {loss:.4}: {}", output_dir.display()));
    #[cfg(feature = "hub")]
    if let Some(url) = trained.push.as_ref().and_then(|push| push.url.as_ref()) {
        output::say(&format!("uploaded: {url}"));
    }
    if run.training.do_eval {
        evaluation::run(&run, &rows, &trained.model)?;
    }
    Ok(Outcome::Done)
}

/// A run that begins where another has left checkpoints may be meant to go on from them.
fn say_what_lies_there(training: &TrainingArguments) {
    if training.resume_from_checkpoint != ResumeFromCheckpoint::No {
        return;
    }
    if let Some(newest) = newest_checkpoint(&training.output_dir) {
        tracing::warn!("the run begins at step 0, though there is {}; --resume would go on from it", newest.display());
    }
}

fn newest_checkpoint(output_dir: &Path) -> Option<PathBuf> {
    let step = |path: &Path| path.file_name()?.to_str()?.strip_prefix("checkpoint-")?.parse::<usize>().ok();
    let folders = fs::read_dir(output_dir).ok()?.filter_map(|entry| Some(entry.ok()?.path()));
    folders.filter(|path| path.is_dir()).filter_map(|path| Some((step(&path)?, path))).max().map(|(_, path)| path)
}

fn trainer(run: &RunConfig, rows: &Rows, model: ColBert) -> Result<Trainer> {
    let args = run.training.clone();
    let mut trainer = match run.loss.objective.clone() {
        Objective::Contrastive(loss) => Trainer::new(model, loss, args),
        Objective::Distillation(loss) => Trainer::new(model, loss, args),
        Objective::MarginMse(loss) => Trainer::new(model, loss, args),
    };
    trainer = trainer.model_card(run.model_card.clone());
    for (name, examples) in &rows.train {
        trainer = trainer.named_train_dataset(name, examples.clone());
    }
    for (name, examples) in &rows.eval {
        trainer = trainer.named_eval_dataset(name, examples.clone());
    }
    for DatasetConfig { name, loss, .. } in run.data.train.iter().chain(&run.data.eval) {
        let Some(LossConfig { objective, .. }) = loss.clone() else { continue };
        trainer = match objective {
            Objective::Contrastive(loss) => trainer.loss_for(name, loss),
            Objective::Distillation(loss) => trainer.loss_for(name, loss),
            Objective::MarginMse(loss) => trainer.loss_for(name, loss),
        };
    }
    for evaluator in &rows.evaluators {
        trainer = trainer.evaluator(evaluator.clone());
    }
    // The configuration knows one kind of callback so far, and lets no other name pass.
    for callback in &run.callbacks {
        let stopping = EarlyStoppingCallback::new(callback.early_stopping_patience);
        trainer = trainer.callback(stopping.threshold(callback.early_stopping_threshold));
    }
    Ok(trainer)
}
