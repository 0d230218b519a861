//! `report.html`: the run on one page, for whoever opens it in a browser, now or in five years.
//!
//! It needs no network, no library and no other file. It is written with every checkpoint too, so that a run that is killed, or fails,
//! leaves the page of its last checkpoint.

use colburn_model::write_atomic;

use super::page::{Page, Status};
use super::{Ending, Report, RunFacts, host};
use crate::{LogEntry, Moment, Result};

/// The name of the file in the output folder.
const FILE: &str = "report.html";

/// Writes the page.
#[derive(Debug)]
pub(super) struct Html {
    facts: RunFacts,
    /// When this process began, in seconds since 1970.
    started: f64,
}

impl Html {
    pub fn new(facts: RunFacts) -> Self {
        Self { facts, started: host::now() }
    }

    fn write(&self, now: Moment<'_>, status: Status) -> Result<()> {
        let page = Page { now, facts: &self.facts, status, started: self.started, written: host::now() };
        Ok(write_atomic(&now.args.output_dir.join(FILE), page.html().as_bytes())?)
    }
}

impl Report for Html {
    const NAME: &'static str = "html";

    fn begin(&mut self, _: Moment<'_>) -> Result<()> {
        self.started = host::now();
        Ok(())
    }

    fn log(&mut self, _: Moment<'_>, _: &LogEntry) -> Result<()> {
        Ok(())
    }

    fn saved(&mut self, now: Moment<'_>) -> Result<()> {
        self.write(now, Status::Going)
    }

    fn end(&mut self, now: Moment<'_>, ending: Ending) -> Result<()> {
        self.write(now, Status::Ended(ending))
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{Run, facts};
    use super::*;

    #[test]
    fn the_page_is_there_from_the_first_checkpoint_on() {
        let mut run = Run::new();
        let mut report = Html::new(facts());
        let path = run.args.output_dir.join(FILE);
        report.begin(run.now()).unwrap();
        assert!(!path.exists());
        let entry = run.log(5, &[("loss", 1.0)]);
        report.log(run.now(), &entry).unwrap();
        report.saved(run.now()).unwrap();
        assert!(std::fs::read_to_string(&path).unwrap().contains("In progress"));
        report.end(run.now(), Ending::Stopped).unwrap();
        assert!(std::fs::read_to_string(&path).unwrap().contains("Stopped early</span>"));
    }
}
