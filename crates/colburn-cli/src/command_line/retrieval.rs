//! The arguments of `index`, `search` and `rerank`.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::{Args, Subcommand};
use colburn::search::Dtype;

use super::{DeviceArgument, PrecisionArgument};

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
    /// What values are stored as: f32, f16 or int8.
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
    /// The documents: .jsonl or .parquet with `_id` (or `id`), `text` and perhaps `title`, or .txt (a line each, its number from 0 is the id;
    /// such a number never takes the place of a document that is there already).
    #[arg(long, value_name = "TEXTS")]
    pub input: PathBuf,
    /// Texts per forward pass.
    #[arg(long, value_name = "N", default_value = "32")]
    pub batch_size: NonZeroUsize,
    /// How many token vectors of a document become one by clustering; not in a PLAID index.
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
    /// Documents a query.
    #[arg(long, value_name = "N", default_value = "10")]
    pub k: NonZeroUsize,
    /// Where to write the results: .jsonl, or .trec or .run for TREC's format. Without it they are printed.
    #[arg(long, value_name = "RUN")]
    pub output: Option<PathBuf>,
    /// In a PLAID index: how many of the nearest centroids of a query token are looked at (8).
    #[arg(long, value_name = "N")]
    pub n_ivf_probe: Option<NonZeroUsize>,
    /// In a PLAID index: how many candidates are scored in its second stage (8192).
    #[arg(long, value_name = "N")]
    pub n_full_scores: Option<NonZeroUsize>,
    /// Texts per forward pass.
    #[arg(long, value_name = "N", default_value = "32")]
    pub batch_size: NonZeroUsize,
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
    /// Queries: .jsonl or .parquet with `_id` (or `id`) and `text`, or .txt (a line each, its number from 0 is the id).
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
    /// Queries: .jsonl or .parquet with `_id` (or `id`) and `text`, or .txt (a line each, its number from 0 is the id).
    #[arg(long, value_name = "TEXTS")]
    pub queries: PathBuf,
    /// Documents, read as by `index add`.
    #[arg(long, value_name = "TEXTS")]
    pub documents: PathBuf,
    /// The candidates of each query: .jsonl with `query_id` and `document_ids`, or a run as `search` writes it.
    #[arg(long, value_name = "RUN")]
    pub candidates: PathBuf,
    /// How many of them to keep; all unless given.
    #[arg(long, value_name = "N")]
    pub k: Option<NonZeroUsize>,
    /// Where to write the results: .jsonl, or .trec or .run for TREC's format.
    #[arg(long, value_name = "RUN")]
    pub output: PathBuf,
    /// Texts per forward pass.
    #[arg(long, value_name = "N", default_value = "32")]
    pub batch_size: NonZeroUsize,
    #[command(flatten)]
    pub precision: PrecisionArgument,
    #[command(flatten)]
    pub device: DeviceArgument,
}
