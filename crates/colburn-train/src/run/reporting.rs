//! Reporters of colburn-report as callbacks of the run.

use std::path::Path;
use std::sync::Arc;

use colburn_report::{Ending, LogEntry, Reporter, RunContext, RunInfo};
use serde_json::Value;

use super::loop_state::LoopState;
use crate::Result;
use crate::callback::{Callback, CallbackContext, TrainerControl};

/// A reporter that is called at the events of a run.
struct Reporting {
    reporter: Box<dyn Reporter>,
    info: Arc<RunInfo>,
}

/// These reporters as callbacks.
pub(crate) fn callbacks(reporters: Vec<Box<dyn Reporter>>, info: RunInfo) -> impl Iterator<Item = Box<dyn Callback>> {
    let info = Arc::new(info);
    reporters.into_iter().map(move |reporter| Box::new(Reporting { reporter, info: info.clone() }) as Box<dyn Callback>)
}

fn run<'a>(info: &'a RunInfo, context: CallbackContext<'a>) -> RunContext<'a> {
    let LoopState { skipped, mini_batch_size, .. } = stored(context);
    RunContext { skipped_steps: skipped, mini_batch_size, ..RunContext::new(info, context.state) }
}

/// The loop state of the last checkpoint, or of the end.
fn stored(context: CallbackContext<'_>) -> LoopState {
    LoopState::read(context.state).ok().flatten().unwrap_or_default()
}

fn ending(context: CallbackContext<'_>, control: &TrainerControl) -> Ending {
    // A run of which a callback has ended an epoch early is complete with fewer steps than planned.
    let planned = stored(context).cursor.max(context.state.global_step);
    match (planned >= context.state.max_steps, control.should_training_stop) {
        (true, _) => Ending::Finished,
        (false, true) => Ending::Stopped,
        (false, false) => Ending::Interrupted,
    }
}

impl Callback for Reporting {
    fn name(&self) -> String {
        self.reporter.name()
    }

    fn on_train_begin(&mut self, context: CallbackContext<'_>, _: &mut TrainerControl) -> Result<()> {
        Ok(self.reporter.begin(run(&self.info, context))?)
    }

    fn on_log(&mut self, context: CallbackContext<'_>, _: &mut TrainerControl, log: &LogEntry) -> Result<()> {
        Ok(self.reporter.log(run(&self.info, context), log)?)
    }

    fn on_save(&mut self, context: CallbackContext<'_>, _: &mut TrainerControl, checkpoint: &Path) -> Result<()> {
        Ok(self.reporter.saved(run(&self.info, context), checkpoint)?)
    }

    fn on_train_end(&mut self, context: CallbackContext<'_>, control: &mut TrainerControl) -> Result<()> {
        Ok(self.reporter.end(run(&self.info, context), ending(context, control))?)
    }

    fn state(&self) -> Option<Value> {
        self.reporter.state()
    }

    fn load_state(&mut self, state: &Value) -> Result<()> {
        self.reporter.load_state(state);
        Ok(())
    }
}
