//! TensorBoard's reports: an event file in `runs/` of the output folder, tags as transformers gives them.
//!
//! Every process writes a file of its own. A process that resumes from a checkpoint first writes the step of the checkpoint, so that TensorBoard
//! drops what the process before it logged behind that step.

mod events;

use std::sync::atomic::{AtomicUsize, Ordering};

use crate::append::AppendFile;
use crate::error::{Error, Result};
use crate::host;
use crate::record::LogEntry;
use crate::reporter::Reporter;
use crate::run::{Ending, RunContext};
use crate::scalars::{scalar, tag};

/// Distinguishes the files of one process.
static FILES: AtomicUsize = AtomicUsize::new(0);

/// Writes the log as scalars, and the arguments as a text.
#[derive(Debug, Default)]
pub(crate) struct TensorBoard {
    file: Option<AppendFile>,
}

impl Reporter for TensorBoard {
    fn name(&self) -> String {
        "tensorboard".to_owned()
    }

    fn begin(&mut self, run: RunContext<'_>) -> Result<()> {
        let dir = &run.info.logging_dir;
        std::fs::create_dir_all(dir).map_err(Error::io(dir))?;
        let (time, step) = (host::now(), run.state.global_step as i64);
        let count = FILES.fetch_add(1, Ordering::Relaxed);
        let name = format!("events.out.tfevents.{:010}.{}.{}.{count}", time as u64, host::name(), std::process::id());
        let mut file = AppendFile::create(&dir.join(name))?;
        file.append(&events::version(time))?;
        // The step of the checkpoint itself stays: what was logged, evaluated and saved there is in the checkpoint.
        file.append(&events::start(time, if step == 0 { 0 } else { step + 1 }))?;
        let arguments = serde_json::to_string_pretty(&run.info.arguments).unwrap_or_default();
        file.append(&events::text(time, step, "args/text_summary", &as_code(&arguments)))?;
        self.file = Some(file);
        Ok(())
    }

    fn log(&mut self, run: RunContext<'_>, log: &LogEntry) -> Result<()> {
        let Some(file) = &mut self.file else { return Ok(()) };
        let numbers = log.iter().filter(|(key, _)| *key != "step");
        let scalars = numbers.filter_map(|(key, value)| Some((tag(key), scalar(value)?)));
        file.append(&events::scalars(host::now(), run.state.global_step as i64, scalars))
    }

    fn end(&mut self, _: RunContext<'_>, _: Ending) -> Result<()> {
        self.file = None;
        Ok(())
    }
}

/// Markdown shows lines with four blanks before them as they are; JSON is the same with them.
fn as_code(text: &str) -> String {
    text.lines().map(|line| format!("    {line}\n")).collect()
}

#[cfg(test)]
mod tests {
    use super::events::{Content, Data, Event, Summary};
    use super::*;
    use crate::testing::Run;
    use std::fs;

    /// The events of all files, in the order in which TensorBoard reads them.
    fn events(run: &Run) -> Vec<Event> {
        let mut files: Vec<_> =
            fs::read_dir(&run.info.logging_dir).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.sort();
        files.iter().flat_map(|file| events::read(&fs::read(file).unwrap())).collect()
    }

    fn scalars(event: &Event) -> Vec<(String, f32)> {
        let Some(Content::Summary(Summary { values })) = &event.content else { return Vec::new() };
        let number = |data: &Option<Data>| match data {
            Some(Data::Simple(number)) => Some(*number),
            _ => None,
        };
        values.iter().filter_map(|value| Some((value.tag.clone(), number(&value.data)?))).collect()
    }

    #[test]
    fn what_is_logged_becomes_scalars() {
        let mut run = Run::new();
        let mut report = TensorBoard::default();
        report.begin(run.context()).unwrap();
        let entry = run.log(3, &[("loss", 0.1), ("eval_accuracy", f64::NAN)]);
        report.log(run.context(), &entry).unwrap();
        report.end(run.context(), Ending::Finished).unwrap();
        let events = events(&run);
        assert_eq!(events.len(), 4);
        assert_eq!(events[0].content, Some(Content::FileVersion("brain.Event:2".to_owned())));
        assert!(matches!(&events[1].content, Some(Content::SessionLog(log)) if log.status == 1) && events[1].step == 0);
        let Some(Content::Summary(Summary { values })) = &events[2].content else { panic!("a summary is expected") };
        let Some(Data::Tensor(arguments)) = &values[0].data else { panic!("a text is expected") };
        assert_eq!(values[0].tag, "args/text_summary");
        assert!(arguments.strings[0].starts_with("    {\n      \"output_dir\""), "{arguments:?}");
        let found = scalars(&events[3]);
        assert_eq!(events[3].step, 3);
        assert_eq!(found[0], ("train/epoch".to_owned(), 0.3));
        assert!(found[1].0 == "eval/accuracy" && found[1].1.is_nan());
        assert_eq!(found[2], ("train/loss".to_owned(), 0.1));
        assert_eq!(found.len(), 3);
    }

    #[test]
    fn a_resumed_run_says_from_where_on_the_old_steps_are_void() {
        let mut run = Run::new();
        TensorBoard::default().begin(run.context()).unwrap();
        run.log(4, &[("loss", 1.0)]);
        TensorBoard::default().begin(run.context()).unwrap();
        let is_start = |event: &&Event| matches!(event.content, Some(Content::SessionLog(_)));
        let starts: Vec<i64> = events(&run).iter().filter(is_start).map(|event| event.step).collect();
        assert_eq!(starts, [0, 5]);
    }
}
