//! `report.html`: the run on one page, for whoever opens it in a browser, now or in five years.
//!
//! It needs no network, no library and no other file. It is written with every checkpoint too, so that a run that is killed, or fails,
//! leaves the page of its last checkpoint.

use std::time::{Duration, Instant};

use colburn_model::write_atomic;

use super::curves::{Curve, Point};
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
    speed: Speed,
}

/// How fast this process trains. It is measured here: the log has no times, so that it is the same in every run.
#[derive(Debug, Default)]
struct Speed {
    /// When the step that goes on began, and how many tokens the run had seen then.
    step: Option<(Instant, usize)>,
    /// Time and tokens of the steps since the last point.
    window: (Duration, usize),
    points: Vec<Point>,
}

impl Html {
    pub fn new(facts: RunFacts) -> Self {
        Self { facts, started: host::now(), speed: Speed::default() }
    }

    fn write(&self, now: Moment<'_>, status: Status) -> Result<()> {
        let speed = Curve { key: "tokens_per_second".to_owned(), points: self.speed.points.clone() };
        let page = Page { now, facts: &self.facts, speed, status, started: self.started, written: host::now() };
        Ok(write_atomic(&now.args.output_dir.join(FILE), page.html().as_bytes())?)
    }
}

impl Report for Html {
    const NAME: &'static str = "html";

    fn begin(&mut self, _: Moment<'_>) -> Result<()> {
        self.started = host::now();
        Ok(())
    }

    fn step_begins(&mut self, now: Moment<'_>) {
        self.speed.step = Some((Instant::now(), now.state.num_input_tokens_seen));
    }

    fn step_ends(&mut self, now: Moment<'_>) {
        if let Some((began, tokens)) = self.speed.step.take() {
            self.speed.window.0 += began.elapsed();
            self.speed.window.1 += now.state.num_input_tokens_seen.saturating_sub(tokens);
        }
    }

    fn log(&mut self, now: Moment<'_>, _: &LogEntry) -> Result<()> {
        let (time, tokens) = std::mem::take(&mut self.speed.window);
        if !time.is_zero() {
            let value = tokens as f64 / time.as_secs_f64();
            self.speed.points.push(Point { step: now.state.global_step as f64, epoch: now.state.epoch, value });
        }
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
        report.step_begins(run.now());
        run.state.num_input_tokens_seen += 1000;
        report.step_ends(run.now());
        let entry = run.log(5, &[("loss", 1.0)]);
        report.log(run.now(), &entry).unwrap();
        let entry = run.log(5, &[("eval_loss", 1.0)]);
        report.log(run.now(), &entry).unwrap();
        assert_eq!(report.speed.points.len(), 1, "evaluation is not timed");
        report.saved(run.now()).unwrap();
        assert!(std::fs::read_to_string(&path).unwrap().contains("In progress"));
        report.end(run.now(), Ending::Stopped).unwrap();
        assert!(std::fs::read_to_string(&path).unwrap().contains("Stopped early</span>"));
        assert!(std::fs::read_to_string(&path).unwrap().contains("<h3>Tokens per second</h3>"));
    }
}
