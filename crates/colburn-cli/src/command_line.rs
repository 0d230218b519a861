//! The arguments of the binary. Their names are those of the TOML file and of Hugging Face wherever those have one.

use std::num::NonZeroUsize;
use std::path::PathBuf;

mod texts;

use clap::{ArgGroup, Args, Parser, Subcommand, ValueEnum};
use colburn::model::{ColBert, EncodeOptions, Kind};
use colburn::ops::Precision;
use colburn::search::Dtype;

pub use self::texts::{PromptArguments, PromptsArguments, TextArguments};
use crate::data::arguments::DataArguments;
use crate::error::Error;

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
    Data(DataArguments),
}

/// Train a model as a TOML file says.
#[derive(Args, Debug)]
pub struct TrainArguments {
    /// The run: [model], [loss], [data], [[evaluators]], [[callbacks]], [model_card] and [training].
    #[arg(value_name = "RUN.toml")]
    pub run: PathBuf,
    /// Set a key of the run, e.g. --set training.learning_rate=1e-5; can be given several times.
    #[arg(long = "set", value_name = "SECTION.KEY=VALUE")]
    pub set: Vec<String>,
    /// Resume from a checkpoint; from the newest whole one in output_dir if none is named.
    #[arg(long, value_name = "CHECKPOINT")]
    pub resume: Option<Option<PathBuf>>,
    #[command(flatten)]
    pub device: DeviceArgument,
}

/// Turn texts into token embeddings: into one file, or into a folder of shards that an interrupted run can resume.
#[derive(Args, Debug)]
pub struct EncodeArguments {
    /// The model: a directory, or its name on the Hugging Face hub, `org/name[@revision]`.
    #[arg(long)]
    pub model: PathBuf,
    /// The texts: JSON Lines (a string or an object with `text` a line), JSON, CSV, TSV, Parquet, Arrow or .txt (a text a line), also
    /// compressed; a file, a folder, or a pattern in quotes. Ids (`_id`, `id`, …) are kept in Parquet output.
    #[arg(long, value_name = "TEXTS")]
    pub input: PathBuf,
    /// The kind of the texts: queries or documents.
    #[arg(long)]
    pub kind: KindArgument,
    /// The file or folder of the embeddings: OUT.safetensors (tensors `0`, `1`, … in input order, [tokens, dim]), OUT.parquet (columns `id` and
    /// `embeddings`), or a folder for shards and their manifest.json.
    #[arg(long, value_name = "OUT")]
    pub output: PathBuf,
    /// The format of shards; a file's is told by its name [default: safetensors].
    #[arg(long)]
    pub format: Option<FormatArgument>,
    /// The type of the values: f32, f16 or int8. int8 has a factor a token beside it: tensors `0.scale`, `1.scale`, …, or a column `scales`.
    #[arg(long, value_name = "DTYPE", default_value = "f32")]
    pub dtype: Dtype,
    /// Texts a shard [default: 10000].
    #[arg(long, value_name = "N")]
    pub shard_size: Option<NonZeroUsize>,
    /// Resume a folder of shards: those that are whole are not made again.
    #[arg(long)]
    pub resume: bool,
    /// Texts per forward pass [default: 32 on a CPU, as many as keep it busy on a GPU].
    #[arg(long, value_name = "N")]
    pub batch_size: Option<NonZeroUsize>,
    #[command(flatten)]
    pub texts: TextArguments,
    #[command(flatten)]
    pub prompt: PromptArguments,
    /// Tokens a text, instead of the model's query_length or document_length.
    #[arg(long, value_name = "N")]
    pub length: Option<usize>,
    /// Make one vector of so many of a document, by clustering. Queries are not pooled.
    #[arg(long, value_name = "N", default_value = "1")]
    pub pool_factor: NonZeroUsize,
    /// Vectors at the start of a document that are not pooled.
    #[arg(long, value_name = "N", default_value = "1")]
    pub protected_tokens: usize,
    #[command(flatten)]
    pub precision: PrecisionArgument,
    #[command(flatten)]
    pub device: DeviceArgument,
}

impl EncodeArguments {
    /// The options of the encoding with this prompt.
    pub fn options(&self, prompt: Option<String>) -> EncodeOptions {
        EncodeOptions {
            batch_size: self.batch_size.map(NonZeroUsize::get),
            f16: matches!(self.dtype, Dtype::F16),
            prompt,
            length: self.length,
            pool_factor: self.pool_factor.get(),
            protected_tokens: self.protected_tokens,
            ..EncodeOptions::default()
        }
    }
}

/// Measure a model on retrieval collections, on triplets, or on both.
#[derive(Args, Debug)]
#[command(group = ArgGroup::new("data").required(true).multiple(true).args(["triplets", "nano", "beir"]))]
pub struct EvaluateArguments {
    /// The model: a directory, or its name on the Hugging Face hub, `org/name[@revision]`.
    #[arg(long)]
    pub model: PathBuf,
    /// Rows of query, positive and negative: .parquet, .jsonl or .csv, or a data set of the hub, `org/name[@revision][:config[:split]]`.
    #[arg(long, value_name = "FILE")]
    pub triplets: Option<PathBuf>,
    /// A collection in NanoBEIR's layout: a folder, or one of NanoBEIR's names, which is fetched from the hub unless it is in its cache; can
    /// be given several times.
    #[arg(long, value_name = "DIR", num_args = 1..)]
    pub nano: Vec<PathBuf>,
    /// A collection in BEIR's layout: a folder with corpus.jsonl, queries.jsonl and qrels/, or files of other formats; can be given several
    /// times.
    #[arg(long, value_name = "DIR", num_args = 1..)]
    pub beir: Vec<PathBuf>,
    /// The judgements of a collection in BEIR's layout.
    #[arg(long, default_value = "test", requires = "beir")]
    pub split: String,
    /// Tokens of a query of the collections, instead of the model's query_length.
    #[arg(long, value_name = "N")]
    pub query_length: Option<NonZeroUsize>,
    #[command(flatten)]
    pub prompts: PromptsArguments,
    /// Leave a document out of what is found for a query that has its id, as BEIR and MTEB do: in ArguAna and Quora the queries stand in
    /// the corpus.
    #[arg(long)]
    pub ignore_identical_ids: bool,
    /// Also write, beside the results, what was found for each query of the collections, with scores, and the CSV files of the evaluators.
    #[arg(long)]
    pub write_predictions: bool,
    /// The file of the metrics: one flat object of name to number.
    #[arg(long, value_name = "results.json")]
    pub output: PathBuf,
    /// Texts per forward pass [default: 32 on a CPU, as many as keep it busy on a GPU].
    #[arg(long, value_name = "N")]
    pub batch_size: Option<NonZeroUsize>,
    #[command(flatten)]
    pub precision: PrecisionArgument,
    #[command(flatten)]
    pub device: DeviceArgument,
}

/// Keep the embeddings of documents on disk, to be searched.
#[derive(Args, Debug)]
pub struct IndexArguments {
    #[command(subcommand)]
    pub command: IndexCommand,
}

#[derive(Subcommand, Debug)]
pub enum IndexCommand {
    Create(CreateArguments),
    Add(AddArguments),
    Remove(RemoveArguments),
    /// Give back the room of removed documents, and make large files of small ones.
    Compact(DirectoryArgument),
    /// Say what is in an index.
    Info(DirectoryArgument),
}

/// Make an index of documents.
#[derive(Args, Debug)]
pub struct CreateArguments {
    #[command(flatten)]
    pub documents: AddArguments,
    /// An approximate index, of which a search does not read all; needs a build with --features plaid.
    #[arg(long)]
    pub plaid: bool,
    /// The type of stored values: f32, f16 or int8.
    #[arg(long, value_name = "DTYPE", default_value = "f32", conflicts_with = "plaid")]
    pub dtype: Dtype,
    /// Bits a value in a PLAID index: 1, 2, 4 or 8.
    #[arg(long, value_name = "N", default_value = "4", requires = "plaid", value_parser = nbits)]
    pub nbits: usize,
}

fn nbits(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(nbits @ (1 | 2 | 4 | 8)) => Ok(nbits),
        _ => Err("1, 2, 4 or 8 is expected".to_owned()),
    }
}

/// Add documents to an index; one whose id is there already takes the place of the old one.
#[derive(Args, Debug)]
pub struct AddArguments {
    /// The folder of the index.
    #[arg(long, value_name = "DIR")]
    pub index: PathBuf,
    /// The model's directory.
    #[arg(long)]
    pub model: PathBuf,
    /// The documents: JSON Lines, JSON, CSV, TSV, Parquet or Arrow with `_id` (or `id`, …), `text` and perhaps `title`, or .txt (a line
    /// each, its number from 0 is the id; such a number never takes the place of a document that is there already); also compressed.
    #[arg(long, value_name = "TEXTS")]
    pub input: PathBuf,
    #[command(flatten)]
    pub texts: TextArguments,
    #[command(flatten)]
    pub prompt: PromptArguments,
    /// Texts per forward pass [default: 32 on a CPU, as many as keep it busy on a GPU].
    #[arg(long, value_name = "N")]
    pub batch_size: Option<NonZeroUsize>,
    /// The number of token vectors of a document that become one by clustering; not in a PLAID index.
    #[arg(long, value_name = "N", default_value = "1")]
    pub pool_factor: NonZeroUsize,
    #[command(flatten)]
    pub precision: PrecisionArgument,
    #[command(flatten)]
    pub device: DeviceArgument,
}

/// Remove documents from an index.
#[derive(Args, Debug)]
pub struct RemoveArguments {
    /// The folder of the index.
    #[arg(long, value_name = "DIR")]
    pub index: PathBuf,
    #[command(flatten)]
    pub ids: IdArguments,
    /// Pass over ids that are not in the index, where they are an error otherwise.
    #[arg(long)]
    pub ignore_unknown: bool,
}

#[derive(Args, Debug)]
#[group(required = true, multiple = false)]
pub struct IdArguments {
    /// A file with an id a line.
    #[arg(long, value_name = "FILE")]
    pub ids: Option<PathBuf>,
    /// An id; can be given several times.
    #[arg(long)]
    pub id: Vec<String>,
}

#[derive(Args, Debug)]
pub struct DirectoryArgument {
    /// The folder of the index.
    #[arg(long, value_name = "DIR")]
    pub index: PathBuf,
}

/// Find the best documents for queries.
#[derive(Args, Debug)]
pub struct SearchArguments {
    #[command(flatten)]
    pub documents: DocumentArguments,
    /// The model's directory.
    #[arg(long)]
    pub model: PathBuf,
    #[command(flatten)]
    pub queries: QueryArguments,
    #[command(flatten)]
    pub texts: TextArguments,
    #[command(flatten)]
    pub prompts: PromptsArguments,
    /// Documents a query.
    #[arg(long, value_name = "N", default_value = "10")]
    pub k: NonZeroUsize,
    /// The file of the results: .jsonl, or .trec or .run for TREC's format. Without it they are printed.
    #[arg(long, value_name = "RUN")]
    pub output: Option<PathBuf>,
    /// In a PLAID index: how many of the nearest centroids of a query token are looked at (8).
    #[arg(long, value_name = "N")]
    pub n_ivf_probe: Option<NonZeroUsize>,
    /// In a PLAID index: how many candidates are scored in its second stage (8192).
    #[arg(long, value_name = "N")]
    pub n_full_scores: Option<NonZeroUsize>,
    /// Texts per forward pass [default: 32 on a CPU, as many as keep it busy on a GPU].
    #[arg(long, value_name = "N")]
    pub batch_size: Option<NonZeroUsize>,
    #[command(flatten)]
    pub precision: PrecisionArgument,
    #[command(flatten)]
    pub device: DeviceArgument,
}

#[derive(Args, Debug)]
#[group(required = true, multiple = false)]
pub struct DocumentArguments {
    /// The folder of an index.
    #[arg(long, value_name = "DIR")]
    pub index: Option<PathBuf>,
    /// Documents to be encoded and searched at once, without an index; read as by `index add`.
    #[arg(long, value_name = "TEXTS")]
    pub corpus: Option<PathBuf>,
}

#[derive(Args, Debug)]
#[group(required = true, multiple = false)]
pub struct QueryArguments {
    /// Queries with `_id` (or `id`, …) and `text`, of any format that `index add` reads.
    #[arg(long, value_name = "TEXTS")]
    pub queries: Option<PathBuf>,
    /// One query.
    #[arg(long, value_name = "TEXT")]
    pub query: Option<String>,
}

/// Order given candidates by their scores.
#[derive(Args, Debug)]
pub struct RerankArguments {
    /// The model's directory.
    #[arg(long)]
    pub model: PathBuf,
    /// Queries with `_id` (or `id`, …) and `text`, of any format that `index add` reads.
    #[arg(long, value_name = "TEXTS")]
    pub queries: PathBuf,
    /// Documents, read as by `index add`.
    #[arg(long, value_name = "TEXTS")]
    pub documents: PathBuf,
    #[command(flatten)]
    pub texts: TextArguments,
    #[command(flatten)]
    pub prompts: PromptsArguments,
    /// The candidates of each query: JSON Lines with `query_id` and `document_ids`, or a run as `search` writes it, or one of TREC's format
    /// by any program.
    #[arg(long, value_name = "RUN")]
    pub candidates: PathBuf,
    /// The number of them to keep; all unless given.
    #[arg(long, value_name = "N")]
    pub k: Option<NonZeroUsize>,
    /// The file of the results: .jsonl, or .trec or .run for TREC's format.
    #[arg(long, value_name = "RUN")]
    pub output: PathBuf,
    /// Texts per forward pass [default: 32 on a CPU, as many as keep it busy on a GPU].
    #[arg(long, value_name = "N")]
    pub batch_size: Option<NonZeroUsize>,
    #[command(flatten)]
    pub precision: PrecisionArgument,
    #[command(flatten)]
    pub device: DeviceArgument,
}

/// The options of a command that encodes texts.
#[derive(Args, Debug)]
pub struct PrecisionArgument {
    /// Compute the products of linear layers in bf16: faster on GPUs and on CPUs with AVX512-BF16. Everything else stays f32.
    #[arg(long)]
    pub bf16: bool,
}

impl PrecisionArgument {
    /// The model, computing so.
    ///
    /// # Errors
    /// When its device does not compute so.
    pub fn of(&self, model: ColBert) -> Result<ColBert, Error> {
        if !self.bf16 {
            return Ok(model);
        }
        Precision::Bf16.check(&model.device())?;
        Ok(model.with_precision(Precision::Bf16))
    }
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

impl KindArgument {
    pub fn name(self) -> &'static str {
        match self {
            Self::Query => "query",
            Self::Document => "document",
        }
    }
}

/// The format of embeddings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum FormatArgument {
    Safetensors,
    Parquet,
}

impl FormatArgument {
    /// As an argument, and as the end of a file's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Safetensors => "safetensors",
            Self::Parquet => "parquet",
        }
    }
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
