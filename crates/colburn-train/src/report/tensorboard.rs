//! TensorBoard's reports: an event file in `runs/` of the output folder, tags as transformers gives them.
//!
//! Every process writes a file of its own. One that goes on from a checkpoint first says at which step, so that TensorBoard drops what the
//! process before it logged behind that checkpoint.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::append::Append;
use super::{Ending, Report, arguments, events, host, scalar, tag};
use crate::{Error, LogEntry, Moment, Result};

/// Tells the files of one process apart.
static FILES: AtomicUsize = AtomicUsize::new(0);

/// Writes what is logged as scalars, and the arguments as a text.
#[derive(Debug, Default)]
pub(super) struct TensorBoard {
    file: Option<Append>,
}

impl Report for TensorBoard {
    const NAME: &'static str = "tensorboard";

    fn begin(&mut self, now: Moment<'_>) -> Result<()> {
        let dir = now.args.logging_dir();
        std::fs::create_dir_all(&dir).map_err(Error::io(&dir))?;
        let (time, step) = (host::now(), now.state.global_step as i64);
        let count = FILES.fetch_add(1, Ordering::Relaxed);
        let name = format!("events.out.tfevents.{:010}.{}.{}.{count}", time as u64, host::name(), std::process::id());
        let mut file = Append::create(&dir.join(name))?;
        file.append(&events::version(time))?;
        // The step of the checkpoint itself stays: what was logged, evaluated and saved there is in the checkpoint.
        file.append(&events::start(time, if step == 0 { 0 } else { step + 1 }))?;
        let arguments = serde_json::to_string_pretty(&arguments(now.args)).unwrap_or_default();
        file.append(&events::text(time, step, "args/text_summary", &as_code(&arguments)))?;
        self.file = Some(file);
        Ok(())
    }

    fn log(&mut self, now: Moment<'_>, log: &LogEntry) -> Result<()> {
        let Some(file) = &mut self.file else { return Ok(()) };
        let scalars: Vec<_> = log
            .iter()
            .filter(|(key, _)| *key != "step")
            .filter_map(|(key, value)| Some((tag(key), scalar(value)?)))
            .collect();
        let scalars = scalars.iter().map(|(tag, value)| (tag.as_str(), *value));
        file.append(&events::scalars(host::now(), now.state.global_step as i64, scalars))
    }

    fn end(&mut self, _: Moment<'_>, _: Ending) -> Result<()> {
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
    use super::super::protobuf::{Value, bytes_of, fields, integer_of};
    use super::super::tests::Run;
    use super::*;
    use std::fs;

    /// The events of all files, in the order in which TensorBoard reads them.
    fn events(run: &Run) -> Vec<Vec<u8>> {
        let dir = run.args.logging_dir();
        let mut files: Vec<_> = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.sort();
        files.iter().flat_map(|file| events::read(&fs::read(file).unwrap())).collect()
    }

    fn scalars(event: &[u8]) -> Vec<(String, f32)> {
        let of = |(_, value): (u32, Value<'_>)| {
            let Value::Bytes(value) = value else { return None };
            let number = fields(value).find_map(|found| match found {
                (2, Value::Fixed32(number)) => Some(f32::from_le_bytes(number)),
                _ => None,
            });
            Some((String::from_utf8(bytes_of(value, 1)?.to_vec()).unwrap(), number?))
        };
        bytes_of(event, 5).map_or_else(Vec::new, |summary| fields(summary).filter_map(of).collect())
    }

    #[test]
    fn what_is_logged_becomes_scalars() {
        let mut run = Run::new();
        let mut report = TensorBoard::default();
        report.begin(run.now()).unwrap();
        let entry = run.log(3, &[("loss", 0.1), ("eval_accuracy", f64::NAN)]);
        report.log(run.now(), &entry).unwrap();
        report.end(run.now(), Ending::Finished).unwrap();
        let events = events(&run);
        assert_eq!(events.len(), 4);
        assert_eq!(bytes_of(&events[0], 3), Some("brain.Event:2".as_bytes()));
        assert_eq!((bytes_of(&events[1], 7), integer_of(&events[1], 2)), (Some([8, 1].as_slice()), 0));
        let arguments = String::from_utf8_lossy(&events[2]);
        assert!(
            arguments.contains("args/text_summary") && arguments.contains("    {\n      \"output_dir\""),
            "{arguments}"
        );
        let found = scalars(&events[3]);
        assert_eq!(integer_of(&events[3], 2), 3);
        assert_eq!(found[0], ("train/epoch".to_owned(), 0.3));
        assert!(found[1].0 == "eval/accuracy" && found[1].1.is_nan());
        assert_eq!(found[2], ("train/loss".to_owned(), 0.1));
        assert_eq!(found.len(), 3);
    }

    #[test]
    fn a_resumed_run_says_from_where_on_the_old_steps_are_void() {
        let mut run = Run::new();
        TensorBoard::default().begin(run.now()).unwrap();
        run.log(4, &[("loss", 1.0)]);
        TensorBoard::default().begin(run.now()).unwrap();
        let starts: Vec<i64> = events(&run)
            .iter()
            .filter(|event| bytes_of(event, 7).is_some())
            .map(|event| integer_of(event, 2))
            .collect();
        assert_eq!(starts, [0, 5]);
    }
}
