//! Weights & Biases without its client or a network: an offline run, which `wandb sync` imports.
//!
//! A run has one id, kept in its checkpoints. A resumed run continues the file of the process before, cut off behind the checkpoint, so that
//! there is one offline run as without interruption. If that file was imported (`wandb sync` leaves a `.synced` beside it) or is gone, the
//! following rows go into an offline run of their own with the same id, and `wandb sync` adds them to what the server has.

mod framing;
mod records;

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use self::records::{Record, Records, RunStart};
use crate::append::AppendFile;
use crate::error::{Error, Result};
use crate::host;
use crate::record::LogEntry;
use crate::reporter::Reporter;
use crate::run::{Ending, RunContext};
use crate::scalars::{scalar, tag};

/// The project, unless `WANDB_PROJECT` names another: transformers' default.
const PROJECT: &str = "huggingface";

/// The horizontal axis of all charts, as in transformers.
const STEP: &str = "train/global_step";

/// The numbers of the run as a whole, which are not part of the history: transformers' `single_value_scalars`.
const OF_THE_RUN: [&str; 5] =
    ["train_runtime", "train_samples_per_second", "train_steps_per_second", "train_loss", "total_flos"];

/// The exit code of a process that Ctrl-C ended, as wandb records it.
const INTERRUPTED: i32 = 255;

/// Writes an offline run into `wandb/` of the output folder.
#[derive(Debug, Default)]
pub(crate) struct Wandb {
    /// The offline run in the checkpoint that the run resumes from.
    before: Option<SavedRun>,
    file: Option<OfflineRun>,
}

/// An offline run, as a checkpoint remembers it.
#[derive(Clone, Debug, PartialEq)]
struct SavedRun {
    run_id: String,
    /// The name of its folder.
    directory: String,
    /// Seconds that the run has taken until then.
    runtime: f64,
}

/// An offline run that is being written.
#[derive(Debug)]
struct OfflineRun {
    run: SavedRun,
    records: Records,
    file: AppendFile,
    /// When this process began.
    started: f64,
}

/// The arguments, as transformers configures a run, and some facts about the run.
fn config(run: RunContext<'_>) -> Map<String, Value> {
    let mut config = run.info.arguments.clone();
    let facts = json!({
        "model/name_or_path": run.info.model,
        "model/num_parameters": run.info.parameters,
        "loss": run.info.loss,
        "device": run.info.device,
        "colburn_version": env!("CARGO_PKG_VERSION"),
    });
    config.extend(facts.as_object().cloned().unwrap_or_default());
    config
}

impl Reporter for Wandb {
    fn name(&self) -> String {
        "wandb".to_owned()
    }

    fn begin(&mut self, run: RunContext<'_>) -> Result<()> {
        let dir = run.info.output_dir.join("wandb");
        fs::create_dir_all(&dir).map_err(Error::io(&dir))?;
        let config = config(run);
        let reopened = match &self.before {
            Some(before) => OfflineRun::reopen(&dir, before, run.state.log_history.len())?,
            None => None,
        };
        let (offline, written) = match (reopened, &self.before) {
            (Some((mut offline, rows)), _) => {
                let config = offline.records.config(&config);
                offline.append(&config)?;
                (offline, rows)
            }
            (None, Some(before)) => {
                (OfflineRun::create(&dir, run, &config, Some(before))?, run.state.log_history.len())
            }
            (None, None) => (OfflineRun::create(&dir, run, &config, None)?, 0),
        };
        let offline = self.file.insert(offline);
        for (row, entry) in run.state.log_history.iter().enumerate().skip(written) {
            offline.log(row, entry, None)?;
        }
        Ok(())
    }

    fn log(&mut self, run: RunContext<'_>, log: &LogEntry) -> Result<()> {
        let row = run.state.log_history.len().saturating_sub(1);
        self.file.as_mut().map_or(Ok(()), |offline| offline.log(row, log, Some(host::now())))
    }

    fn end(&mut self, _: RunContext<'_>, ending: Ending) -> Result<()> {
        let Some(mut offline) = self.file.take() else { return Ok(()) };
        let code = if ending == Ending::Interrupted { INTERRUPTED } else { 0 };
        let runtime = offline.runtime(host::now());
        let exit = offline.records.exit(code, runtime);
        offline.append(&exit)
    }

    fn state(&self) -> Option<Value> {
        let OfflineRun { run, .. } = self.file.as_ref()?;
        let runtime = self.file.as_ref()?.runtime(host::now());
        Some(json!({"run_id": run.run_id, "directory": run.directory, "runtime": runtime}))
    }

    fn load_state(&mut self, state: &Value) {
        // They become parts of a path: nothing in a checkpoint may lead out of the folder of the run.
        let plain = |text: &&str| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
        let text = |key: &str| Some(state.get(key)?.as_str().filter(plain)?.to_owned());
        self.before = text("run_id").zip(text("directory")).map(|(run_id, directory)| SavedRun {
            run_id,
            directory,
            runtime: state.get("runtime").and_then(Value::as_f64).unwrap_or_default(),
        });
    }
}

impl OfflineRun {
    /// A folder and a file as `wandb.init(mode="offline")` makes them; their names are in UTC.
    fn create(
        dir: &Path,
        context: RunContext<'_>,
        config: &Map<String, Value>,
        before: Option<&SavedRun>,
    ) -> Result<Self> {
        let started = host::now();
        let run_id = before.map_or_else(host::run_id, |before| before.run_id.clone());
        let date = host::date(started);
        let (year, month, day) = (date.year(), u8::from(date.month()), date.day());
        let (hour, minute, second) = (date.hour(), date.minute(), date.second());
        let directory = format!("offline-run-{year:04}{month:02}{day:02}_{hour:02}{minute:02}{second:02}-{run_id}");
        let folder = dir.join(&directory);
        fs::create_dir(&folder).map_err(Error::io(&folder))?;
        let run = SavedRun { run_id, directory, runtime: before.map_or(0.0, |before| before.runtime) };

        let mut file = AppendFile::create(&file_of(dir, &run))?;
        file.append(&framing::HEADER)?;
        let mut offline = Self { records: Records::new(&run.run_id, 0), run, file, started };
        let start = RunStart {
            project: &std::env::var("WANDB_PROJECT").unwrap_or_else(|_| PROJECT.to_owned()),
            display_name: context.info.run_name.as_deref(),
            host: &host::name(),
            start_time: started,
            resume: before.is_some(),
            config,
        };
        let records = &mut offline.records;
        let beginning = [
            records.header(concat!("colburn ", env!("CARGO_PKG_VERSION"))),
            records.run(&start),
            records.step_metric(STEP),
            records.all_metrics_over(STEP),
        ];
        beginning.iter().try_for_each(|record| offline.append(record))?;
        Ok(offline)
    }

    /// The offline run of the process before, cut off behind so many rows of the history, with the number of rows that it has; none if
    /// it is gone, was imported, or cannot be read.
    fn reopen(dir: &Path, before: &SavedRun, rows: usize) -> Result<Option<(Self, usize)>> {
        let path = file_of(dir, before);
        let mut synced = path.clone().into_os_string();
        synced.push(".synced");
        if !path.is_file() || PathBuf::from(synced).exists() {
            return Ok(None);
        }
        let bytes = fs::read(&path).map_err(Error::io(&path))?;
        let behind = |record: &Record| record.is_exit() || record.history_step().is_some_and(|step| step >= rows);
        let records = framing::records(&bytes).map_while(|(end, bytes)| Some((end, Record::read(&bytes)?)));
        let kept: Vec<_> = records.take_while(|(_, record)| !behind(record)).collect();
        let Some((end, _)) = kept.last() else { return Ok(None) };
        let file = AppendFile::reopen(&path, *end)?;
        let written = kept.iter().rev().find_map(|(_, record)| record.history_step());
        let records = Records::new(&before.run_id, kept.len() as i64);
        let offline = Self { run: before.clone(), records, file, started: host::now() };
        Ok(Some((offline, written.map_or(rows, |step| step + 1))))
    }

    /// Adds a row. A row that is added later than it was logged has no time.
    fn log(&mut self, row: usize, entry: &LogEntry, time: Option<f64>) -> Result<()> {
        let numbers = || entry.iter().filter_map(|(key, value)| Some((key, scalar(value)?)));
        let mut history: Vec<(String, f64)> = numbers()
            .filter(|(key, _)| !OF_THE_RUN.contains(&key.as_str()) && *key != "step")
            .map(|(key, value)| (tag(key), value))
            .collect();
        let step = numbers().find_map(|(key, value)| (key == "step").then_some((STEP.to_owned(), value)));
        history.extend(step);
        if let Some(time) = time {
            history.push(("_timestamp".to_owned(), time));
            history.push(("_runtime".to_owned(), self.runtime(time)));
        }
        history.push(("_step".to_owned(), row as f64));
        let of_the_run = numbers().filter(|(key, _)| OF_THE_RUN.contains(&key.as_str()));
        let summary: Vec<_> =
            history.iter().cloned().chain(of_the_run.map(|(key, value)| (key.clone(), value))).collect();
        let history = self.records.history(row, &history);
        self.append(&history)?;
        let summary = self.records.summary(&summary);
        self.append(&summary)
    }

    fn append(&mut self, record: &[u8]) -> Result<()> {
        self.file.append(&framing::frame(record, self.file.length()))
    }

    /// Seconds that the run has taken at a time, without those between two processes.
    fn runtime(&self, time: f64) -> f64 {
        self.run.runtime + (time - self.started).max(0.0)
    }
}

fn file_of(dir: &Path, run: &SavedRun) -> PathBuf {
    dir.join(&run.directory).join(format!("run-{}.wandb", run.run_id))
}

#[cfg(test)]
mod tests {
    use super::records::{Content, Item};
    use super::*;
    use crate::testing::Run;

    /// The folders of offline runs, in the order of their names.
    fn folders(run: &Run) -> Vec<PathBuf> {
        let dir = fs::read_dir(run.info.output_dir.join("wandb")).unwrap();
        let mut folders: Vec<_> = dir.map(|entry| entry.unwrap().path()).collect();
        folders.sort();
        folders
    }

    fn file(folder: &Path) -> PathBuf {
        let name = folder.file_name().unwrap().to_str().unwrap();
        folder.join(format!("run-{}.wandb", name.rsplit('-').next().unwrap()))
    }

    fn stored(folder: &Path) -> Vec<Record> {
        framing::records(&fs::read(file(folder)).unwrap()).map(|(_, record)| Record::read(&record).unwrap()).collect()
    }

    /// The rows of the history, as texts of JSON.
    fn rows(folder: &Path) -> Vec<Vec<(String, String)>> {
        let item = |Item { nested_key, value_json, .. }: Item| (nested_key.concat(), value_json);
        let row = |record: Record| {
            let Some(Content::History(history)) = record.content else { return None };
            let items = history.items.into_iter().map(item);
            Some(items.filter(|(key, _)| !["_timestamp", "_runtime"].contains(&key.as_str())).collect())
        };
        stored(folder).into_iter().filter_map(row).collect()
    }

    fn begun(run: &Run, state: Option<&Value>) -> Wandb {
        let mut report = Wandb::default();
        state.into_iter().for_each(|state| report.load_state(state));
        report.begin(run.context()).unwrap();
        report
    }

    fn log(run: &mut Run, report: &mut Wandb, step: usize) {
        let entry = run.log(step, &[("loss", 1.0 / step as f64)]);
        report.log(run.context(), &entry).unwrap();
    }

    #[test]
    fn a_run_is_a_folder_with_its_rows() {
        let mut run = Run::new();
        let mut report = begun(&run, None);
        log(&mut run, &mut report, 3);
        let last = run.log(10, &[("train_loss", 0.5), ("eval_accuracy", f64::NAN)]);
        report.log(run.context(), &last).unwrap();
        report.end(run.context(), Ending::Finished).unwrap();
        assert_eq!(report.state(), None, "what has ended is not gone on with");
        let [folder] = folders(&run).try_into().unwrap();
        let text = |pairs: &[(&str, &str)]| {
            pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect::<Vec<_>>()
        };
        let first =
            [("train/epoch", "0.3"), ("train/loss", "0.3333333333333333"), ("train/global_step", "3"), ("_step", "0")];
        let second = [("train/epoch", "1"), ("eval/accuracy", "NaN"), ("train/global_step", "10"), ("_step", "1")];
        assert_eq!(rows(&folder), [text(&first), text(&second)]);
        let stored = stored(&folder);
        let numbers: Vec<_> = stored.iter().map(|record| record.num).collect();
        assert_eq!(numbers, (1..=9).collect::<Vec<_>>());
        let config = format!("{:?}", stored[1]);
        assert!(config.contains("huggingface") && config.contains("model/num_parameters"), "{config}");
        assert!(format!("{:?}", stored[7]).contains("train_loss"));
        assert!(stored[8].is_exit());
    }

    #[test]
    fn a_resumed_run_goes_on_in_its_file() {
        let mut run = Run::new();
        let mut killed = begun(&run, None);
        log(&mut run, &mut killed, 1);
        log(&mut run, &mut killed, 2);
        let (checkpoint, state) = (run.state.clone(), killed.state().unwrap());
        log(&mut run, &mut killed, 3);
        let [folder] = folders(&run).try_into().unwrap();
        let undisturbed = rows(&folder);
        let mut torn = fs::OpenOptions::new().append(true).open(file(&folder)).unwrap();
        std::io::Write::write_all(&mut torn, &[1, 2, 3]).unwrap();

        run.state = checkpoint;
        let mut resumed = begun(&run, Some(&state));
        assert_eq!(rows(&folder), undisturbed[..2]);
        log(&mut run, &mut resumed, 3);
        assert_eq!(rows(&folder), undisturbed);
        resumed.end(run.context(), Ending::Interrupted).unwrap();
        assert_eq!(folders(&run), std::slice::from_ref(&folder));
        let whole = fs::metadata(file(&folder)).unwrap().len();
        assert_eq!(framing::records(&fs::read(file(&folder)).unwrap()).last().map(|(end, _)| end), Some(whole));

        // an end that was written is taken back, and a row that was lost is made good from the log
        let mut again = begun(&run, Some(&state));
        assert!(!stored(&folder).iter().any(Record::is_exit));
        run.log(4, &[("loss", 0.25)]);
        let lost = begun(&run, Some(&state));
        assert_eq!(rows(&folder).len(), 4);
        drop(lost);
        again.end(run.context(), Ending::Finished).unwrap();
    }

    #[test]
    fn an_imported_run_gets_a_second_folder_with_its_id() {
        let mut run = Run::new();
        let mut first = begun(&run, None);
        log(&mut run, &mut first, 1);
        let state = first.state().unwrap();
        let [folder] = folders(&run).try_into().unwrap();
        fs::write(format!("{}.synced", file(&folder).display()), "").unwrap();
        // folders are named by the second
        let renamed = folder
            .with_file_name(folder.file_name().unwrap().to_str().unwrap().replace("offline-run-2", "offline-run-1"));
        fs::rename(&folder, &renamed).unwrap();
        let state =
            json!({"run_id": state["run_id"], "directory": renamed.file_name().unwrap().to_str(), "runtime": 7.5});

        let mut second = begun(&run, Some(&state));
        log(&mut run, &mut second, 2);
        let [old, new] = folders(&run).try_into().unwrap();
        assert_eq!((rows(&old).len(), rows(&new).len()), (1, 1));
        assert_eq!(file(&old).file_name(), file(&new).file_name());
        let resume = |folder: &Path| matches!(&stored(folder)[1].content, Some(Content::Run(run)) if run.resume);
        assert_eq!((resume(&old), resume(&new)), (false, true));
        assert!(second.state().unwrap()["runtime"].as_f64().unwrap() >= 7.5);
    }

    #[test]
    fn a_run_that_wandb_did_not_see_the_start_of_has_all_its_rows() {
        let mut run = Run::new();
        run.log(1, &[("loss", 1.0)]);
        run.log(2, &[("loss", 0.5)]);
        let elsewhere = json!({"run_id": "abcd1234", "directory": "../elsewhere", "runtime": 1.0});
        for state in [None, Some(json!("what is none")), Some(elsewhere)] {
            let report = begun(&run, state.as_ref());
            let directory = report.state().unwrap()["directory"].as_str().unwrap().to_owned();
            assert_eq!(rows(&run.info.output_dir.join("wandb").join(directory)).len(), 2);
        }
    }
}
