//! What a model retrieves: NanoBEIR, or collections of one's own in its layout.
//!
//! `cargo run --release --example nanobeir -- --model output/contrastive` measures on the sample in the repository; with `--names scifact nfcorpus`
//! on collections of NanoBEIR in the local cache of the Hugging Face hub, and with `--all` on all 13.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program writes to the terminal")]

use clap::Parser;
use colburn::prelude::*;

#[derive(Parser)]
struct Arguments {
    /// Directory of the model; the default is what the example `contrastive` leaves.
    #[arg(long, default_value = "output/contrastive")]
    model: String,
    /// Folders in NanoBEIR's layout: corpus/, queries/ and qrels/ with Parquet files.
    #[arg(long, num_args = 1.., default_value = "examples/data/nano/squad")]
    folders: Vec<String>,
    /// Names of NanoBEIR instead, in any case.
    #[arg(long, num_args = 1.., conflicts_with = "folders")]
    names: Vec<String>,
    /// All of NanoBEIR.
    #[arg(long, conflicts_with_all = ["folders", "names"])]
    all: bool,
    /// flex, ndarray, wgpu, cuda; the first that is compiled in when not given.
    #[arg(long)]
    device: Option<String>,
}

fn main() -> colburn::Result<()> {
    colburn::ops::memory::keep_freed();
    let arguments = Arguments::parse();
    let evaluator = match (arguments.all, &arguments.names[..]) {
        (true, _) => NanoBeirEvaluator::new(&NanoBeirEvaluator::NAMES, None)?,
        (false, []) => NanoBeirEvaluator::from_dirs(&arguments.folders)?,
        (false, names) => NanoBeirEvaluator::new(names, None)?,
    };
    // BEIR's longer queries do not fit into the usual 32 tokens.
    let evaluator =
        evaluator.query_lengths([("climatefever", 64), ("arguana", 64), ("scifact", 48), ("scidocs", 48)])?;
    let model = ColBert::from_pretrained(&arguments.model, &device_by_name(arguments.device.as_deref())?)?;

    let report = evaluator.evaluate_with(&model, &mut |progress| {
        eprint!("\r{}: {} of {} texts ", progress.what, progress.done, progress.total);
    })?;
    eprintln!();
    for line in Table::new(report.metrics.iter().map(|(name, value)| (name.as_str(), *value))).lines {
        println!("{line}");
    }
    Ok(())
}
