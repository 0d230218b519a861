//! The trait of reporters, and the rule that a report never ends a run.

use std::path::Path;

use serde_json::Value;

use crate::error::Result;
use crate::record::LogEntry;
use crate::run::{Ending, RunContext};

/// Code that reports a run. The trainer calls it at the events of the run, after the record of the run was updated.
///
/// ```
/// use colburn_report::{LogEntry, Reporter, Result, RunContext};
///
/// /// The lowest loss of the log.
/// struct LowestLoss(f64);
///
/// impl Reporter for LowestLoss {
///     fn name(&self) -> String {
///         "lowest_loss".to_owned()
///     }
///
///     fn log(&mut self, _: RunContext<'_>, entry: &LogEntry) -> Result<()> {
///         if let Some(loss) = entry.get("loss").and_then(|loss| loss.as_f64()) {
///             self.0 = self.0.min(loss);
///         }
///         Ok(())
///     }
/// }
/// ```
#[expect(unused_variables, reason = "the names of the arguments are their documentation")]
pub trait Reporter: Send {
    /// Distinguishes the reporters of a run; the key of its state in `stateful_callbacks`.
    fn name(&self) -> String;

    /// Before the first step, also of a resumed run: then `run.state.global_step` is not 0.
    ///
    /// # Errors
    /// When the report cannot be started; this ends the run before its first step.
    fn begin(&mut self, run: RunContext<'_>) -> Result<()> {
        Ok(())
    }

    /// After an entry was added to the log.
    ///
    /// # Errors
    /// When the report cannot be written.
    fn log(&mut self, run: RunContext<'_>, entry: &LogEntry) -> Result<()> {
        Ok(())
    }

    /// After a checkpoint was saved.
    ///
    /// # Errors
    /// When the report cannot be written.
    fn saved(&mut self, run: RunContext<'_>, checkpoint: &Path) -> Result<()> {
        Ok(())
    }

    /// After the last step, also of a run that was stopped or interrupted, but not of one that failed.
    ///
    /// # Errors
    /// When the report cannot be written.
    fn end(&mut self, run: RunContext<'_>, ending: Ending) -> Result<()> {
        Ok(())
    }

    /// The state that must survive a restart; it goes into every checkpoint.
    fn state(&self) -> Option<Value> {
        None
    }

    /// Takes back what [`Reporter::state`] gave when the checkpoint was written, before [`Reporter::begin`]. A state that cannot be used is
    /// ignored.
    fn load_state(&mut self, state: &Value) {}
}

/// A reporter whose errors never end a run that has begun: the first one is a warning, later ones are silent, and training continues.
pub struct NonFatal<R> {
    reporter: R,
    warned: bool,
}

impl<R: Reporter> NonFatal<R> {
    /// The same reporter without its errors.
    pub fn new(reporter: R) -> Self {
        Self { reporter, warned: false }
    }

    fn warn_once(&mut self, result: Result<()>) {
        if let Err(error) = result
            && !self.warned
        {
            self.warned = true;
            tracing::warn!("the report `{}` is incomplete, and training continues: {error}", self.reporter.name());
        }
    }
}

impl<R: Reporter> Reporter for NonFatal<R> {
    fn name(&self) -> String {
        self.reporter.name()
    }

    fn begin(&mut self, run: RunContext<'_>) -> Result<()> {
        self.reporter.begin(run)
    }

    fn log(&mut self, run: RunContext<'_>, entry: &LogEntry) -> Result<()> {
        let result = self.reporter.log(run, entry);
        self.warn_once(result);
        Ok(())
    }

    fn saved(&mut self, run: RunContext<'_>, checkpoint: &Path) -> Result<()> {
        let result = self.reporter.saved(run, checkpoint);
        self.warn_once(result);
        Ok(())
    }

    fn end(&mut self, run: RunContext<'_>, ending: Ending) -> Result<()> {
        let result = self.reporter.end(run, ending);
        self.warn_once(result);
        Ok(())
    }

    fn state(&self) -> Option<Value> {
        self.reporter.state()
    }

    fn load_state(&mut self, state: &Value) {
        self.reporter.load_state(state);
    }
}

/// A reporter of any type.
impl<R: Reporter + ?Sized> Reporter for Box<R> {
    fn name(&self) -> String {
        (**self).name()
    }

    fn begin(&mut self, run: RunContext<'_>) -> Result<()> {
        (**self).begin(run)
    }

    fn log(&mut self, run: RunContext<'_>, entry: &LogEntry) -> Result<()> {
        (**self).log(run, entry)
    }

    fn saved(&mut self, run: RunContext<'_>, checkpoint: &Path) -> Result<()> {
        (**self).saved(run, checkpoint)
    }

    fn end(&mut self, run: RunContext<'_>, ending: Ending) -> Result<()> {
        (**self).end(run, ending)
    }

    fn state(&self) -> Option<Value> {
        (**self).state()
    }

    fn load_state(&mut self, state: &Value) {
        (**self).load_state(state);
    }
}
