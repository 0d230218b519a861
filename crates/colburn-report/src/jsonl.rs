//! `logs.jsonl`: the log as a file that any tool can follow during the run, an entry a line.

use std::path::Path;

use colburn_model::write_atomic;

use crate::append::AppendFile;
use crate::error::{Error, Result};
use crate::record::LogEntry;
use crate::reporter::Reporter;
use crate::run::{Ending, RunContext};

/// The name of the file in the output folder.
const FILE: &str = "logs.jsonl";

/// Writes every entry as it stands in `log_history` of `trainer_state.json`, in full precision.
#[derive(Debug, Default)]
pub(crate) struct JsonLines {
    /// None if the file must be written anew: at the start of the run, and after an entry that could not be written.
    file: Option<AppendFile>,
}

impl JsonLines {
    /// Writes the whole file anew. After a kill it may hold half a line, and entries behind the checkpoint that the run resumes from.
    fn rewrite(&mut self, run: RunContext<'_>) -> Result<()> {
        let path = run.info.output_dir.join(FILE);
        let lines: Result<Vec<_>> = run.state.log_history.iter().map(|entry| line(entry, &path)).collect();
        let text = lines?.concat();
        write_atomic(&path, &text)?;
        self.file = Some(AppendFile::reopen(&path, text.len() as u64)?);
        Ok(())
    }
}

impl Reporter for JsonLines {
    fn name(&self) -> String {
        "jsonl".to_owned()
    }

    fn begin(&mut self, run: RunContext<'_>) -> Result<()> {
        self.rewrite(run)
    }

    fn log(&mut self, run: RunContext<'_>, log: &LogEntry) -> Result<()> {
        let Some(mut file) = self.file.take() else { return self.rewrite(run) };
        file.append(&line(log, &run.info.output_dir.join(FILE))?)?;
        self.file = Some(file);
        Ok(())
    }

    fn end(&mut self, run: RunContext<'_>, _: Ending) -> Result<()> {
        if self.file.is_none() { self.rewrite(run) } else { Ok(()) }
    }
}

fn line(entry: &LogEntry, path: &Path) -> Result<Vec<u8>> {
    let mut line = serde_json::to_vec(entry).map_err(Error::json(path))?;
    line.push(b'\n');
    Ok(line)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Run;
    use std::fs;

    fn read(run: &Run) -> String {
        fs::read_to_string(run.info.output_dir.join(FILE)).unwrap()
    }

    #[test]
    fn a_line_is_an_entry_of_the_log() {
        let mut run = Run::new();
        let mut report = JsonLines::default();
        report.begin(run.context()).unwrap();
        assert_eq!(read(&run), "");
        let first = run.log(1, &[("loss", 1.0 / 3.0), ("learning_rate", 5e-6)]);
        report.log(run.context(), &first).unwrap();
        let line = "{\"epoch\":0.1,\"learning_rate\":5e-6,\"loss\":0.3333333333333333,\"step\":1}\n";
        assert_eq!(read(&run), line);
        let second = run.log(2, &[("eval_accuracy", f64::NAN)]);
        report.log(run.context(), &second).unwrap();
        report.end(run.context(), Ending::Finished).unwrap();
        let entries: Vec<LogEntry> = read(&run).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(entries, run.state.log_history);
    }

    #[test]
    fn a_resumed_run_has_the_file_of_an_undisturbed_one() {
        let mut run = Run::new();
        let mut killed = JsonLines::default();
        killed.begin(run.context()).unwrap();
        let entry = run.log(1, &[("loss", 1.0)]);
        killed.log(run.context(), &entry).unwrap();
        let checkpoint = run.state.clone();
        let entry = run.log(2, &[("loss", 0.9)]);
        killed.log(run.context(), &entry).unwrap();
        let undisturbed = read(&run);
        fs::write(run.info.output_dir.join(FILE), format!("{undisturbed}{{\"lo")).unwrap();

        run.state = checkpoint;
        let mut resumed = JsonLines::default();
        resumed.begin(run.context()).unwrap();
        let entry = run.log(2, &[("loss", 0.9)]);
        resumed.log(run.context(), &entry).unwrap();
        assert_eq!(read(&run), undisturbed);
    }

    #[test]
    fn an_entry_that_could_not_be_written_is_made_good() {
        let mut run = Run::new();
        let mut report = JsonLines::default();
        report.begin(run.context()).unwrap();
        // as after an entry that did not fit on the disk
        report.file = None;
        run.log(1, &[("loss", 1.0)]);
        let entry = run.log(2, &[("loss", 0.9)]);
        report.log(run.context(), &entry).unwrap();
        assert_eq!(read(&run).lines().count(), 2);
    }
}
