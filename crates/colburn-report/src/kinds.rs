//! The reporters that `report_to` names: the one list of them.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::html::Html;
use crate::jsonl::JsonLines;
use crate::reporter::{NonFatal, Reporter};
use crate::tensorboard::TensorBoard;
use crate::wandb::Wandb;

/// A place that a run reports to, in addition to `trainer_state.json`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "&'static str")]
pub enum ReporterKind {
    /// The terminal, which the trainer writes to in any case.
    Console,
    /// `logs.jsonl`, a JSON object a line.
    Jsonl,
    /// `report.html`, with charts.
    Html,
    /// TensorBoard's event files.
    Tensorboard,
    /// Weights & Biases' files of a run without a network.
    Wandb,
}

impl ReporterKind {
    /// All of them: the meaning of `"all"`.
    pub const ALL: [Self; 5] = [Self::Console, Self::Jsonl, Self::Html, Self::Tensorboard, Self::Wandb];

    /// Its name in `report_to`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Console => "console",
            Self::Jsonl => "jsonl",
            Self::Html => "html",
            Self::Tensorboard => "tensorboard",
            Self::Wandb => "wandb",
        }
    }

    /// A reporter of this kind; none for the console, which the trainer drives itself ([`Console`](crate::Console)).
    pub fn reporter(self) -> Option<Box<dyn Reporter>> {
        match self {
            Self::Console => None,
            Self::Jsonl => Some(Box::new(NonFatal::new(JsonLines::default()))),
            Self::Html => Some(Box::new(NonFatal::new(Html::default()))),
            Self::Tensorboard => Some(Box::new(NonFatal::new(TensorBoard::default()))),
            Self::Wandb => Some(Box::new(NonFatal::new(Wandb::default()))),
        }
    }
}

/// The reporters of these kinds, in their order. Their errors end no run that has begun.
pub fn reporters(kinds: &[ReporterKind]) -> Vec<Box<dyn Reporter>> {
    kinds.iter().filter_map(|kind| kind.reporter()).collect()
}

impl FromStr for ReporterKind {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name).ok_or_else(|| {
            let known = Self::ALL.map(Self::name);
            let nearest = colburn_data::nearest(name, &known);
            Error::UnknownReporter { name: name.to_owned(), nearest, known: known.join(", ") }
        })
    }
}

impl TryFrom<String> for ReporterKind {
    type Error = Error;

    fn try_from(name: String) -> Result<Self> {
        name.parse()
    }
}

impl From<ReporterKind> for &'static str {
    fn from(kind: ReporterKind) -> Self {
        kind.name()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::Ending;
    use crate::testing::Run;
    use serde_json::json;

    #[test]
    fn names_become_reporters() {
        let names =
            |kinds: &[ReporterKind]| reporters(kinds).iter().map(|reporter| reporter.name()).collect::<Vec<_>>();
        assert_eq!(names(&ReporterKind::ALL), ["jsonl", "html", "tensorboard", "wandb"]);
        assert_eq!(names(&[ReporterKind::Console, ReporterKind::Wandb]), ["wandb"]);
        for kind in ReporterKind::ALL.into_iter().filter(|kind| *kind != ReporterKind::Console) {
            assert_eq!(names(&[kind]), [kind.name()]);
        }
    }

    #[test]
    fn names_are_read_and_written() {
        for kind in ReporterKind::ALL {
            assert_eq!(kind.name().parse::<ReporterKind>().unwrap(), kind);
            assert_eq!(serde_json::to_value(kind).unwrap(), json!(kind.name()));
            assert_eq!(serde_json::from_value::<ReporterKind>(json!(kind.name())).unwrap(), kind);
        }
        assert_eq!(
            "htlm".parse::<ReporterKind>().unwrap_err().to_string(),
            "unknown reporter `htlm`; did you mean `html`? known are console, jsonl, html, tensorboard, wandb"
        );
        let message = serde_json::from_value::<ReporterKind>(json!("mlflow")).unwrap_err().to_string();
        assert_eq!(message, "unknown reporter `mlflow`; known are console, jsonl, html, tensorboard, wandb");
    }

    #[test]
    fn a_report_that_cannot_be_written_ends_no_run() {
        let mut run = Run::new();
        let mut written = reporters(&ReporterKind::ALL);
        for report in &mut written {
            report.begin(run.context()).unwrap();
        }
        let output_dir = run.info.output_dir.clone();
        std::fs::remove_dir_all(&output_dir).unwrap();
        let entry = run.log(1, &[("loss", 1.0)]);
        for report in &mut written {
            for _ in 0..2 {
                report.log(run.context(), &entry).unwrap();
            }
            report.saved(run.context(), &output_dir.join("checkpoint-1")).unwrap();
            report.end(run.context(), Ending::Finished).unwrap();
        }
        // what cannot be begun is an error before the first step
        std::fs::write(&output_dir, "a file where the folder should be").unwrap();
        for report in &mut reporters(&[ReporterKind::Jsonl, ReporterKind::Tensorboard, ReporterKind::Wandb]) {
            let message = report.begin(run.context()).unwrap_err().to_string();
            assert!(message.contains("/run") && !message.contains('\n'), "{message}");
        }
    }
}
