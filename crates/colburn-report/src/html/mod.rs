//! `report.html`: the run on one page, for any browser.
//!
//! It needs no network, no library and no other file. It is also written with every checkpoint, so that a run that is killed or fails
//! leaves the page of its last checkpoint.

mod chart;
mod format;
mod page;
mod series;
mod tables;
mod template;

use std::path::Path;

use colburn_model::write_atomic;

use self::page::{Page, Status};
use crate::error::Result;
use crate::host;
use crate::reporter::Reporter;
use crate::run::{Ending, RunContext};

/// The name of the file in the output folder.
const FILE: &str = "report.html";

/// Writes the page.
#[derive(Debug)]
pub(crate) struct Html {
    /// The start of this process, in seconds since 1970.
    started: f64,
}

impl Default for Html {
    fn default() -> Self {
        Self { started: host::now() }
    }
}

impl Html {
    fn write(&self, run: RunContext<'_>, status: Status) -> Result<()> {
        let page = Page::new(run, status, self.started, host::now());
        let html = template::render("page.html", &page)?;
        Ok(write_atomic(&run.info.output_dir.join(FILE), html.as_bytes())?)
    }
}

impl Reporter for Html {
    fn name(&self) -> String {
        "html".to_owned()
    }

    fn begin(&mut self, _: RunContext<'_>) -> Result<()> {
        self.started = host::now();
        Ok(())
    }

    fn saved(&mut self, run: RunContext<'_>, _: &Path) -> Result<()> {
        self.write(run, Status::Running)
    }

    fn end(&mut self, run: RunContext<'_>, ending: Ending) -> Result<()> {
        self.write(run, Status::Ended(ending))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Run;

    #[test]
    fn the_page_is_there_from_the_first_checkpoint_on() {
        let mut run = Run::new();
        let mut report = Html::default();
        let path = run.info.output_dir.join(FILE);
        report.begin(run.context()).unwrap();
        assert!(!path.exists());
        let entry = run.log(5, &[("loss", 1.0)]);
        report.log(run.context(), &entry).unwrap();
        report.saved(run.context(), Path::new("checkpoint-5")).unwrap();
        assert!(std::fs::read_to_string(&path).unwrap().contains("In progress"));
        report.end(run.context(), Ending::Stopped).unwrap();
        assert!(std::fs::read_to_string(&path).unwrap().contains("Stopped early</span>"));
    }
}
