//! The arguments of `colburn data`.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::source_options::SourceOptions;

/// Look at data, or write it in another format.
#[derive(Args, Debug)]
pub struct DataArguments {
    #[command(subcommand)]
    pub command: DataCommand,
}

#[derive(Subcommand, Debug)]
pub enum DataCommand {
    Inspect(InspectArguments),
    Convert(ConvertArguments),
}

/// Say what is in rows: columns with types and roles, missing and equal texts, lengths, and a few rows.
#[derive(Args, Debug)]
pub struct InspectArguments {
    /// A file, a pattern in quotes, a folder, or a data set on the Hugging Face hub, `org/name[@revision][:config[:split]]`.
    pub source: PathBuf,
    /// A model whose tokens are counted: a directory, or its name on the Hugging Face hub. Its weights are not read.
    #[arg(long)]
    pub model: Option<PathBuf>,
    /// The number of rows to show.
    #[arg(long, value_name = "N", default_value = "3")]
    pub rows: usize,
    /// Print one JSON object instead of tables.
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub options: SourceOptions,
}

/// Write rows to a file of another format, with all or some of the columns.
#[derive(Args, Debug)]
pub struct ConvertArguments {
    /// A file, a pattern in quotes, a folder, or a data set on the Hugging Face hub, `org/name[@revision][:config[:split]]`.
    #[arg(value_name = "IN")]
    pub source: PathBuf,
    /// The file, whose name tells the format: .parquet, .arrow, .jsonl, .csv or .tsv; the last three also with .gz or .zst.
    #[arg(value_name = "OUT")]
    pub output: PathBuf,
    /// The columns to write, in this order, e.g. --columns query,positive [default: all].
    #[arg(long, value_name = "NAME,…", value_delimiter = ',')]
    pub columns: Option<Vec<String>>,
    /// Another name for a column, e.g. --rename question=query; can be given several times.
    #[arg(long, value_name = "OLD=NEW", value_parser = renaming)]
    pub rename: Vec<(String, String)>,
    /// Write the first so many rows.
    #[arg(long, value_name = "N")]
    pub rows: Option<NonZeroUsize>,
    /// Replace the file if it is there.
    #[arg(long)]
    pub overwrite: bool,
    #[command(flatten)]
    pub options: SourceOptions,
}

fn renaming(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((old, new)) if !old.is_empty() && !new.is_empty() => Ok((old.to_owned(), new.to_owned())),
        _ => Err("OLD=NEW is expected, e.g. question=query".to_owned()),
    }
}
