//! A loss of your own: the pairwise logistic loss on MaxSim scores, which asks of each query only that its positive scores above its own
//! negatives.
//!
//! A loss sees embeddings and nothing of the encoder, so gradient caching (`mini_batch_size`), accumulation and checkpoints work for it
//! as for any other.

#![expect(clippy::print_stdout, reason = "a program writes to the terminal")]

use colburn::burn::tensor::activation::softplus;
use colburn::prelude::*;

/// The mean of `log(1 + exp((negative - positive) / temperature))` over all negatives of all queries.
#[derive(Debug)]
struct PairwiseLogistic {
    temperature: f64,
}

impl Loss for PairwiseLogistic {
    fn forward(
        &self,
        queries: &Embeddings,
        documents: &Embeddings,
        targets: &Targets,
    ) -> colburn::loss::Result<Tensor<1>> {
        let Targets::Positives = targets else {
            return Err(colburn::loss::Error::other("pairwise_logistic needs texts, not a teacher's scores"));
        };
        // [queries, documents of a query], the positive first
        let scores = Score::MaxSim.of_groups(queries, documents, MaskRule::Zero)?;
        let [count, group] = scores.dims();
        if group < 2 {
            return Err(colburn::loss::Error::other("pairwise_logistic needs a negative in each row"));
        }
        let positives = scores.clone().narrow(1, 0, 1).expand([count, group - 1]);
        let negatives = scores.narrow(1, 1, group - 1);
        Ok(softplus((negatives - positives) / self.temperature, 1.0).mean())
    }

    fn name(&self) -> &'static str {
        "pairwise_logistic"
    }

    /// The model card shows these.
    fn settings(&self) -> Vec<(&'static str, String)> {
        vec![("temperature", format!("{:?}", self.temperature))]
    }

    fn citation(&self) -> Option<&'static str> {
        Some(
            "@inproceedings{burges2005ranknet,\n    title = {Learning to Rank using Gradient Descent},\n    \
             author = {Burges, Chris and others},\n    booktitle = {ICML},\n    year = {2005}\n}",
        )
    }
}

fn main() -> colburn::Result<()> {
    let device = device_by_name(None)?;
    let model = ColBert::from_config("examples/data/bert-small", &ColBertOptions::default(), &device)?;
    let train = Dataset::load("examples/data/triplets-train.parquet")?;
    let args = TrainingArguments {
        output_dir: "output/custom-loss".into(),
        max_steps: 10,
        per_device_train_batch_size: 8,
        mini_batch_size: Some(4),
        learning_rate: 1e-3,
        logging_steps: 2.0,
        ..Default::default()
    };
    let trained = Trainer::new(model, PairwiseLogistic { temperature: 1.0 }, args).train_dataset(train).train()?;
    println!("mean loss of {} steps: {:.4}", trained.global_step, trained.training_loss);
    Ok(())
}
