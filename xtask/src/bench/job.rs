//! A run of `colburn train` that is measured: the TOML that describes it, and the log that tells the time of each step.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::result::Result;

/// The tokens to which a query is expanded.
pub const QUERY_LENGTH: usize = 32;
/// The most tokens of a document.
pub const DOCUMENT_LENGTH: usize = 180;

/// The number format of matrix products.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Precision {
    F32,
    /// f32 with products of 10 bits on tensor cores.
    Tf32,
    Bf16,
}

/// The data and the sizes of a run.
pub struct Job<'a> {
    pub model: &'a Path,
    pub data: &'a Path,
    pub batch_size: usize,
    pub steps: usize,
    /// Steps of an entry of the log. On a GPU the host works ahead, and waits for the device when it logs.
    pub logging_steps: usize,
    pub document_length: usize,
    pub precision: Precision,
}

/// A step of a log. The last two are known where the trainer counts them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Step {
    pub seconds: f64,
    pub tokens: f64,
    pub launches: Option<f64>,
    pub host_seconds: Option<f64>,
}

impl Precision {
    /// The line of `[training]`; none for f32, which is the default.
    fn line(self) -> &'static str {
        match self {
            Self::F32 => "",
            Self::Tf32 => "tf32 = true\n",
            Self::Bf16 => "bf16 = true\n",
        }
    }
}

impl Job<'_> {
    /// Writes the TOML beside the output folder, and returns its path.
    pub fn write(&self, output: &Path) -> Result<PathBuf> {
        let toml = output.with_extension("toml");
        let written = std::fs::write(&toml, self.config(output));
        written.map(|()| toml.clone()).map_err(|error| format!("{}: {error}", toml.display()))
    }

    fn config(&self, output: &Path) -> String {
        let Self { model, data, batch_size, steps, logging_steps, document_length, precision } = self;
        format!(
            "[model]\nname_or_path = {model:?}\nquery_length = {QUERY_LENGTH}\ndocument_length = {document_length}\n\
             [loss]\ntype = \"contrastive\"\n\
             [data]\ntrain = {data:?}\n\
             [training]\noutput_dir = {output:?}\nmax_steps = {steps}\nper_device_train_batch_size = {batch_size}\n\
             learning_rate = 1e-5\nlogging_steps = {logging_steps}\nreport_to = [\"jsonl\"]\nsave_strategy = \"no\"\n\
             train_sampling_strategy = \"sequential\"\nseed = 42\n{}",
            precision.line()
        )
    }

    /// The steps in the log of a run that has ended; the mean of several where an entry has several.
    pub fn steps(&self, output: &Path) -> Result<Vec<Step>> {
        let path = log(output);
        let text = std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        let steps = steps(&text, self.batch_size);
        if steps.len() == self.steps / self.logging_steps {
            Ok(steps)
        } else {
            Err(format!("colburn logged the speed {} times in {} steps", steps.len(), self.steps))
        }
    }
}

/// The log of a run.
pub fn log(output: &Path) -> PathBuf {
    output.join("logs.jsonl")
}

/// The entries that tell a step's speed.
fn steps(log: &str, batch_size: usize) -> Vec<Step> {
    let entries = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let step = |entry: Value| {
        let number = |name: &str| entry[name].as_f64();
        let seconds = batch_size as f64 / number("samples_per_second").filter(|rate| *rate > 0.0)?;
        let tokens = (seconds * number("tokens_per_second")?).round();
        Some(Step { seconds, tokens, launches: number("kernel_launches"), host_seconds: number("host_seconds") })
    };
    entries.filter_map(step).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_gives_the_steps() {
        let log = "{\"loss\":0.5,\"samples_per_second\":2.0,\"step\":1,\"tokens_per_second\":400.0}\n\
                   {\"loss\":0.5,\"samples_per_second\":8.0,\"step\":2,\"tokens_per_second\":1600.0,\"kernel_launches\":300,\"host_seconds\":0.25}\n\
                   {\"loss\":0.5,\"samp\n\
                   {\"step\":2,\"train_loss\":0.5,\"train_samples_per_second\":4.0}\n";
        let first = Step { seconds: 8.0, tokens: 3200.0, launches: None, host_seconds: None };
        let second = Step { seconds: 2.0, tokens: 3200.0, launches: Some(300.0), host_seconds: Some(0.25) };
        assert_eq!(steps(log, 16), [first, second]);
    }

    #[test]
    fn the_run_says_what_the_job_says() {
        let config = |precision| {
            let (model, data) = (Path::new("/models/start"), Path::new("/data/rows.jsonl"));
            Job { model, data, batch_size: 16, steps: 8, logging_steps: 1, document_length: 180, precision }
                .config(Path::new("/out"))
        };
        let text = config(Precision::Bf16);
        for line in ["name_or_path = \"/models/start\"", "max_steps = 8", "document_length = 180", "bf16 = true"] {
            assert!(text.lines().any(|found| found == line), "{line} in {text}");
        }
        assert!(config(Precision::Tf32).ends_with("\ntf32 = true\n"));
        assert!(!config(Precision::F32).contains("f32") && !config(Precision::F32).contains("bf16"));
    }
}
