//! The arguments of the binary. Their names are those of the TOML file and of Hugging Face wherever those have one.

mod retrieval;

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use colburn::model::Kind;

pub use retrieval::*;

/// Train, encode with, evaluate and search with ColBERT (late-interaction) retrieval models.
#[derive(Parser, Debug)]
#[command(name = "colburn", version, arg_required_else_help = true)]
pub struct CommandLine {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Subcommand, Debug)]
pub enum Command {
    Train(TrainArguments),
    Encode(EncodeArguments),
    Evaluate(EvaluateArguments),
    Index(IndexArguments),
    Search(SearchArguments),
    Rerank(RerankArguments),
}

/// Train a model as a TOML file says.
#[derive(Args, Debug)]
pub struct TrainArguments {
    /// The run: [model], [loss], [data], [[evaluators]], [[callbacks]] and [training].
    #[arg(value_name = "RUN.toml")]
    pub run: PathBuf,
    /// Set a key of the run, e.g. --set training.learning_rate=1e-5; can be given several times.
    #[arg(long = "set", value_name = "SECTION.KEY=VALUE")]
    pub set: Vec<String>,
    /// Go on from a checkpoint; from the newest whole one in output_dir if none is named.
    #[arg(long, value_name = "CHECKPOINT")]
    pub resume: Option<Option<PathBuf>>,
    #[command(flatten)]
    pub device: DeviceArgument,
}

/// Turn texts into token embeddings.
#[derive(Args, Debug)]
pub struct EncodeArguments {
    /// The model's directory.
    #[arg(long)]
    pub model: PathBuf,
    /// The texts: .txt (a line each), .jsonl (a string or an object with `text` a line) or .parquet (column `text`).
    #[arg(long, value_name = "TEXTS")]
    pub input: PathBuf,
    /// Whether the texts are queries or documents.
    #[arg(long)]
    pub kind: KindArgument,
    /// Where to write the embeddings: tensors `0`, `1`, … in input order, f32 [tokens, dim].
    #[arg(long, value_name = "OUT.safetensors")]
    pub output: PathBuf,
    /// Texts per forward pass.
    #[arg(long, value_name = "N", default_value = "32")]
    pub batch_size: NonZeroUsize,
    #[command(flatten)]
    pub device: DeviceArgument,
}

/// Measure a model on triplets.
#[derive(Args, Debug)]
pub struct EvaluateArguments {
    /// The model's directory.
    #[arg(long)]
    pub model: PathBuf,
    /// Rows of query, positive and negative: .parquet, .jsonl or .csv.
    #[arg(long, value_name = "FILE")]
    pub triplets: PathBuf,
    /// Where to write the metrics: one flat object of name to number.
    #[arg(long, value_name = "results.json")]
    pub output: PathBuf,
    /// Texts per forward pass.
    #[arg(long, value_name = "N", default_value = "32")]
    pub batch_size: NonZeroUsize,
    #[command(flatten)]
    pub device: DeviceArgument,
}

#[derive(Args, Debug)]
pub struct DeviceArgument {
    /// flex, ndarray, wgpu, cuda or cuda:N, as far as this build holds them; BURN_DEVICE names one, too.
    #[arg(long = "device", value_name = "DEVICE")]
    pub name: Option<String>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum KindArgument {
    Query,
    Document,
}

impl From<KindArgument> for Kind {
    fn from(kind: KindArgument) -> Self {
        match kind {
            KindArgument::Query => Self::Query,
            KindArgument::Document => Self::Document,
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, Parser};

    use super::{Command, CommandLine};

    #[test]
    fn the_definition_is_sound() {
        CommandLine::command().debug_assert();
    }

    #[test]
    fn a_checkpoint_can_be_named_or_left_to_be_found() {
        let resume = |arguments: &[&str]| {
            let line = ["colburn", "train", "RUN.toml"].iter().chain(arguments);
            let Command::Train(train) = CommandLine::try_parse_from(line).unwrap().command else { unreachable!() };
            train.resume
        };
        assert_eq!(resume(&[]), None);
        assert_eq!(resume(&["--resume"]), Some(None));
        assert_eq!(resume(&["--resume", "--device", "flex"]), Some(None));
        assert_eq!(resume(&["--resume", "output/run/checkpoint-5"]), Some(Some("output/run/checkpoint-5".into())));
    }
}
