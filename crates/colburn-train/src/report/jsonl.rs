//! `logs.jsonl`: the log as a file that any tool can follow while the run goes on, an entry a line.

use std::path::Path;

use colburn_model::write_atomic;

use super::append::Append;
use super::{Ending, Report};
use crate::{Error, LogEntry, Moment, Result};

/// The name of the file in the output folder.
const FILE: &str = "logs.jsonl";

/// Writes every entry as it stands in `log_history` of `trainer_state.json`, in full precision.
#[derive(Debug, Default)]
pub(super) struct JsonLines {
    /// None as long as there is something to make good: the start of the run, or an entry that could not be written.
    file: Option<Append>,
}

impl JsonLines {
    /// Writes the whole file anew. After a kill it may hold half a line, and entries behind the checkpoint that the run goes on from.
    fn rewrite(&mut self, now: Moment<'_>) -> Result<()> {
        let path = now.args.output_dir.join(FILE);
        let lines: Result<Vec<_>> = now.state.log_history.iter().map(|entry| line(entry, &path)).collect();
        let text = lines?.concat();
        write_atomic(&path, &text)?;
        self.file = Some(Append::reopen(&path, text.len() as u64)?);
        Ok(())
    }
}

impl Report for JsonLines {
    const NAME: &'static str = "jsonl";

    fn begin(&mut self, now: Moment<'_>) -> Result<()> {
        self.rewrite(now)
    }

    fn log(&mut self, now: Moment<'_>, log: &LogEntry) -> Result<()> {
        let Some(mut file) = self.file.take() else { return self.rewrite(now) };
        file.append(&line(log, &now.args.output_dir.join(FILE))?)?;
        self.file = Some(file);
        Ok(())
    }

    fn end(&mut self, now: Moment<'_>, _: Ending) -> Result<()> {
        if self.file.is_none() { self.rewrite(now) } else { Ok(()) }
    }
}

fn line(entry: &LogEntry, path: &Path) -> Result<Vec<u8>> {
    let mut line = serde_json::to_vec(entry).map_err(|source| Error::Json { path: path.to_owned(), source })?;
    line.push(b'\n');
    Ok(line)
}

#[cfg(test)]
mod tests {
    use super::super::tests::Run;
    use super::*;
    use std::fs;

    fn read(run: &Run) -> String {
        fs::read_to_string(run.args.output_dir.join(FILE)).unwrap()
    }

    #[test]
    fn a_line_is_an_entry_of_the_log() {
        let mut run = Run::new();
        let mut report = JsonLines::default();
        report.begin(run.now()).unwrap();
        assert_eq!(read(&run), "");
        let first = run.log(1, &[("loss", 1.0 / 3.0), ("learning_rate", 5e-6)]);
        report.log(run.now(), &first).unwrap();
        let line = "{\"epoch\":0.1,\"learning_rate\":5e-6,\"loss\":0.3333333333333333,\"step\":1}\n";
        assert_eq!(read(&run), line);
        let second = run.log(2, &[("eval_accuracy", f64::NAN)]);
        report.log(run.now(), &second).unwrap();
        report.end(run.now(), Ending::Finished).unwrap();
        let entries: Vec<LogEntry> = read(&run).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(entries, run.state.log_history);
    }

    #[test]
    fn a_resumed_run_has_the_file_of_an_undisturbed_one() {
        let mut run = Run::new();
        let mut killed = JsonLines::default();
        killed.begin(run.now()).unwrap();
        let entry = run.log(1, &[("loss", 1.0)]);
        killed.log(run.now(), &entry).unwrap();
        let checkpoint = run.state.clone();
        let entry = run.log(2, &[("loss", 0.9)]);
        killed.log(run.now(), &entry).unwrap();
        let undisturbed = read(&run);
        fs::write(run.args.output_dir.join(FILE), format!("{undisturbed}{{\"lo")).unwrap();

        run.state = checkpoint;
        let mut resumed = JsonLines::default();
        resumed.begin(run.now()).unwrap();
        let entry = run.log(2, &[("loss", 0.9)]);
        resumed.log(run.now(), &entry).unwrap();
        assert_eq!(read(&run), undisturbed);
    }

    #[test]
    fn an_entry_that_could_not_be_written_is_made_good() {
        let mut run = Run::new();
        let mut report = JsonLines::default();
        report.begin(run.now()).unwrap();
        // as after an entry that did not fit on the disk
        report.file = None;
        run.log(1, &[("loss", 1.0)]);
        let entry = run.log(2, &[("loss", 0.9)]);
        report.log(run.now(), &entry).unwrap();
        assert_eq!(read(&run).lines().count(), 2);
    }
}
