//! `colburn train`: a run's description in, a trained model out.

use std::fs;
use std::path::{Path, PathBuf};

use colburn::model::{ColBert, ColBertOptions};
use colburn::ops::device::by_name;
use colburn::train::{ResumeFromCheckpoint, Trainer, TrainingArguments};

use crate::command_line::TrainArguments;
use crate::config::{DatasetConfig, RunConfig};
use crate::outcome::Outcome;
use crate::rows::Rows;
use crate::{Error, Result, evaluation, output};

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
    let rows = Rows::load(&run, &device)?;
    // What a model lacks is drawn from the run's seed unless the model has its own.
    let seed = run.model.options.seed.or(Some(run.training.seed));
    let options = ColBertOptions { seed, ..run.model.options.clone() };
    let model = ColBert::from_pretrained_with(&run.model.name_or_path, &options, &device)?;
    if !run.training.trains() {
        evaluation::run(&trainer(&run, &rows, model)?, &run.training.output_dir)?;
        return Ok(Outcome::Done);
    }
    warn_of_checkpoints(&run.training);

    let trained = trainer(&run, &rows, model)?.train()?;
    let (output_dir, steps, loss) = (&run.training.output_dir, trained.global_step, trained.training_loss);
    if trained.interrupted {
        let checkpoint = output_dir.join(format!("checkpoint-{steps}"));
        let place = checkpoint.display();
        output::say(&format!("interrupted after {steps} steps, mean loss {loss:.4}: --resume continues from {place}"));
        return Ok(Outcome::Interrupted);
    }
    output::say(&format!("trained for {steps} steps, mean loss {loss:.4}: {}", output_dir.display()));
    #[cfg(feature = "hub")]
    if let Some(url) = trained.push.as_ref().and_then(|push| push.url.as_ref()) {
        output::say(&format!("uploaded: {url}"));
    }
    if run.training.do_eval {
        evaluation::run(&trainer(&run, &rows, trained.model)?, &run.training.output_dir)?;
    }
    Ok(Outcome::Done)
}

/// Warns of checkpoints of another run in `output_dir`: the run may be meant to resume from them.
fn warn_of_checkpoints(training: &TrainingArguments) {
    if training.resume_from_checkpoint != ResumeFromCheckpoint::No {
        return;
    }
    if let Some(newest) = newest_checkpoint(&training.output_dir) {
        tracing::warn!("the run begins at step 0, though there is {}; --resume would resume from it", newest.display());
    }
}

fn newest_checkpoint(output_dir: &Path) -> Option<PathBuf> {
    let step = |path: &Path| path.file_name()?.to_str()?.strip_prefix("checkpoint-")?.parse::<usize>().ok();
    let folders = fs::read_dir(output_dir).ok()?.filter_map(|entry| Some(entry.ok()?.path()));
    folders.filter(|path| path.is_dir()).filter_map(|path| Some((step(&path)?, path))).max().map(|(_, path)| path)
}

fn trainer(run: &RunConfig, rows: &Rows, model: ColBert) -> Result<Trainer> {
    let args = run.training.clone();
    let mut trainer = Trainer::new(model, run.loss.clone().into_loss(), args).model_card(run.model_card.clone());
    for (name, examples) in &rows.train {
        trainer = trainer.named_train_dataset(name, examples.clone());
    }
    for (name, examples) in &rows.eval {
        trainer = trainer.named_eval_dataset(name, examples.clone());
    }
    for DatasetConfig { name, loss, .. } in run.data.train.iter().chain(&run.data.eval) {
        if let Some(loss) = loss.clone() {
            trainer = trainer.loss_for(name, loss.into_loss());
        }
    }
    for evaluator in &rows.evaluators {
        trainer = trainer.evaluator(evaluator.clone());
    }
    for callback in &run.callbacks {
        trainer = callback.clone().add_to(trainer);
    }
    Ok(trainer)
}
