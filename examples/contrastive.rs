//! Contrastive training of a ColBERT model on triplets, with what it retrieves before and after: triplet accuracy, and nDCG@10 on a small
//! retrieval collection.
//!
//! Without arguments: a small BERT, drawn from the seed, on the sample in `examples/data`. With `--model DIR` the encoder has real
//! weights: `cargo run --release --example contrastive -- --model models/bert-base-uncased`.

#![expect(clippy::print_stdout, reason = "a program writes to the terminal")]

use clap::Parser;
use colburn::prelude::*;

#[derive(Parser)]
struct Arguments {
    /// Directory of a pretrained encoder; a small one drawn from the seed when not given.
    #[arg(long)]
    model: Option<String>,
    /// Training triplets: query, positive, negative.
    #[arg(long, default_value = "examples/data/triplets-train.parquet")]
    train: String,
    /// Held-out triplets.
    #[arg(long, default_value = "examples/data/triplets-test.parquet")]
    eval: String,
    /// A retrieval collection in NanoBEIR's layout.
    #[arg(long, default_value = "examples/data/nano/squad")]
    nano: String,
    #[arg(long, default_value = "output/contrastive")]
    output_dir: String,
    /// flex, ndarray, wgpu, cuda; the first that is compiled in when not given.
    #[arg(long)]
    device: Option<String>,
    /// Stop after so many steps.
    #[arg(long, default_value_t = -1)]
    max_steps: i64,
}

fn main() -> colburn::Result<()> {
    colburn::ops::memory::keep_freed();
    let arguments = Arguments::parse();
    let device = device_by_name(arguments.device.as_deref())?;
    let model = match &arguments.model {
        Some(directory) => ColBert::from_pretrained(directory, &device)?,
        None => ColBert::from_config("examples/data/bert-small", &ColBertOptions::default(), &device)?,
    };
    let (train, eval) = (Dataset::load(&arguments.train)?, Dataset::load(&arguments.eval)?);
    let triplets = TripletEvaluator::new(&eval)?;
    let retrieval = InformationRetrievalEvaluator::new(Collection::from_nano_dir(&arguments.nano)?);
    let before = [triplets.evaluate(&model)?, retrieval.evaluate(&model)?];

    let args = TrainingArguments {
        output_dir: arguments.output_dir.into(),
        num_train_epochs: 1.0,
        max_steps: arguments.max_steps,
        per_device_train_batch_size: 16,
        learning_rate: if arguments.model.is_some() { 3e-5 } else { 1e-3 },
        warmup_steps: 0.05,
        logging_steps: 20.0,
        ..Default::default()
    };
    let trained = Trainer::new(model, Contrastive::default(), args).train_dataset(train).train()?;

    let after = [triplets.evaluate(&trained.model)?, retrieval.evaluate(&trained.model)?];
    let [accuracy, ndcg] = [0, 1].map(|at| [&before[at], &after[at]].map(|report| report.main().unwrap_or_default()));
    println!("triplet accuracy: {:.1} % before, {:.1} % after", 100.0 * accuracy[0], 100.0 * accuracy[1]);
    println!("nDCG@10 on {}: {:.3} before, {:.3} after", arguments.nano, ndcg[0], ndcg[1]);
    Ok(())
}
