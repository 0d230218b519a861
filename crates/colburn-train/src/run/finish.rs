//! The end of a run: the totals, the choice of the final model, and the files that the run leaves.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Instant;

use colburn_model::ColBert;
use colburn_report::card::RunCard;
use colburn_report::{Console, TrainerState};

use super::training_loop::LoopOutput;
use crate::callback::CallbackContext;
use crate::callback::list::Event;
use crate::checkpoint::manifest;
use crate::ranks::Ranks;
use crate::{Result, TrainingArguments};

/// The result of a training run.
#[derive(Debug)]
pub struct TrainOutput {
    /// The trained model, on its device without autodiff: the one that lies in `output_dir`.
    pub model: ColBert,
    /// The number of optimizer steps.
    pub global_step: usize,
    /// The mean loss of all steps.
    pub training_loss: f64,
    /// `train_runtime` in seconds, `train_samples_per_second`, `train_steps_per_second`, `train_loss`, `total_flos`. A resumed run counts its own
    /// time, and the losses of all steps.
    pub metrics: BTreeMap<String, f64>,
    /// The state of the run with all that it logged: the content of `trainer_state.json`.
    pub state: TrainerState,
    /// True if the run was stopped by Ctrl-C. Then there is a checkpoint of its last step, and no final model in `output_dir`.
    pub interrupted: bool,
    /// The result of the uploads to the hub, if the arguments asked for them.
    #[cfg(feature = "hub")]
    pub push: Option<colburn_report::push::PushOutput>,
}

/// Logs the totals and saves the files that the run leaves; rank 0 does.
///
/// # Errors
/// When a file cannot be written, the model has weights that are not finite, or a callback fails.
pub(crate) fn finish(
    args: &TrainingArguments,
    ranks: &dyn Ranks,
    mut model: ColBert,
    output: LoopOutput,
    card: Option<&RunCard>,
    started: Instant,
    console: &Console,
) -> Result<TrainOutput> {
    let LoopOutput { mut state, mut callbacks, training_loss, work, interrupted } = output;
    let seconds = started.elapsed().as_secs_f64();
    let metrics = [
        ("train_runtime", seconds),
        ("train_samples_per_second", work.rows as f64 / seconds),
        ("train_steps_per_second", work.steps as f64 / seconds),
        ("total_flos", state.total_flos),
        ("train_loss", training_loss),
    ];
    let metrics = metrics.map(|(name, value)| (name.to_owned(), value));
    if ranks.rank() == 0 {
        if !interrupted {
            console.results(state.global_step, state.epoch, &metrics);
            state.log(metrics.clone());
            let best;
            (model, best) = best_or_last(args, &state, model, console);
            let step = state.best_global_step.filter(|_| best).unwrap_or(state.global_step);
            let card = card.map(|card| card.render(&state, step, best));
            if let Err(error) = model.save_pretrained_with(&args.output_dir, card.as_deref()) {
                return Err(state.save_after(error.into(), &args.output_dir));
            }
        }
        callbacks.store(&mut state);
        state.save(&args.output_dir)?;
        // Only now, when an error of a callback cannot lose anything.
        let context = CallbackContext { args, state: &state, model: &model };
        let logged = match state.log_history.last().filter(|_| !interrupted) {
            Some(entry) => callbacks.call(&Event::Log(entry), context),
            None => Ok(()),
        };
        // Uploads and reports are finished even if another callback has failed.
        logged.and(callbacks.call(&Event::TrainEnd, context))?;
    }
    ranks.barrier()?;
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

/// The model of the best checkpoint if the arguments ask for it and there is one, and true; otherwise the last model, which must not be lost.
fn best_or_last(args: &TrainingArguments, state: &TrainerState, last: ColBert, console: &Console) -> (ColBert, bool) {
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
                console.say(&format!("loading the best model, {}", path.display()));
                return (best, true);
            }
            Err(error) => tracing::warn!("{error}"),
        }
    }
    tracing::warn!("there is no best checkpoint to load: the model is that of the last step");
    (last, false)
}
