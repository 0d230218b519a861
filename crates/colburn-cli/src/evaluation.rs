//! The evaluation of a model by `do_eval` and `do_train = false`, with the names of metrics that the trainer gives them.

use std::ops::Range;
use std::time::Instant;

use colburn::data::{Collator, Examples};
use colburn::eval::{Evaluator, SequentialEvaluator};
use colburn::loss::{Loss, Targets};
use colburn::model::{ColBert, TokenBatch, write_atomic};
use serde_json::{Map, Value};

use crate::config::RunConfig;
use crate::rows::Rows;
use crate::{Error, Result, evaluate, output};

/// Hugging Face's name for the metrics of an evaluation that is not one of a step.
const RESULTS: &str = "eval_results.json";

/// Evaluates a model on all that the run has for it; the metrics go to stdout and into `output_dir`.
pub fn run(run: &RunConfig, rows: &Rows, model: &ColBert) -> Result<()> {
    let path = run.training.output_dir.join(RESULTS);
    output::prepare(&path)?;
    let started = Instant::now();
    let mut metrics = Map::new();
    for (name, examples) in &rows.eval {
        let loss = mean_loss(run, name, examples, model)?;
        let metric = if name.is_empty() { "eval_loss".to_owned() } else { format!("eval_{name}_loss") };
        metrics.insert(metric, loss.into());
    }
    let mut evaluators: Vec<Box<dyn Evaluator>> =
        rows.evaluators.iter().map(|evaluator| Box::new(evaluator.clone()) as Box<dyn Evaluator>).collect();
    // As in the trainer, several are one.
    if evaluators.len() > 1 {
        evaluators = vec![Box::new(SequentialEvaluator::new(evaluators)?)];
    }
    for evaluator in &evaluators {
        let report = evaluate::evaluate(evaluator.as_ref(), model)?;
        let prefixed = |name: String| if name.starts_with("eval_") { name } else { format!("eval_{name}") };
        metrics.extend(report.metrics.into_iter().map(|(name, value)| (prefixed(name), value.into())));
    }
    evaluate::show(metrics.iter().map(|(name, value)| (name.as_str(), value.as_f64().unwrap_or(f64::NAN))));
    metrics.insert("eval_runtime".to_owned(), started.elapsed().as_secs_f64().into());
    write_atomic(&path, format!("{:#}\n", Value::Object(metrics)).as_bytes())?;
    Ok(())
}

/// The mean loss over the rows of an eval dataset in their order: each batch's loss counts for its rows.
fn mean_loss(run: &RunConfig, name: &str, examples: &Examples, model: &ColBert) -> Result<f64> {
    let known: Vec<&str> = run.data.names().collect();
    let prompts = run.training.prompts.for_dataset(Some(name).filter(|name| !name.is_empty()), &known)?;
    let collator = Collator::new(model.tokenizer().clone(), examples.clone())?.with_prompts(prompts)?;
    let loss = run.loss_of(name);
    let (mut sum, mut count) = (0.0, 0);
    for batch in batches(examples.len(), run.training.per_device_eval_batch_size, run.training.dataloader_drop_last) {
        sum += batch.len() as f64 * batch_loss(model, loss.as_ref(), &collator, batch.clone())?;
        count += batch.len();
    }
    if count == 0 {
        let (which, rows, batch_size) = ("eval", examples.len(), run.training.per_device_eval_batch_size);
        return Err(colburn::train::Error::NoBatch { which, rows, batch_size }.into());
    }
    Ok(sum / count as f64)
}

fn batch_loss(model: &ColBert, loss: &dyn Loss, collator: &Collator, rows: Range<usize>) -> Result<f64> {
    let batch = collator.collate(&rows.collect::<Vec<_>>())?;
    // One run of tokens, as the trainer has it, so that the numbers are the trainer's to the last digit.
    let texts = TokenBatch::concat(&[&batch.queries, &batch.documents]);
    let (queries, documents) = model.forward(&texts).split_at(batch.queries.len());
    let targets = batch.scores.map_or(Targets::Positives, Targets::Scores);
    let loss = loss.forward(&queries, &documents, &targets)?;
    loss.try_into_scalar::<f64>().map_err(|error| Error::Reading(error.to_string()))
}

/// The rows of each batch.
fn batches(rows: usize, size: usize, drop_last: bool) -> impl Iterator<Item = Range<usize>> {
    let end = if drop_last { rows - rows % size } else { rows };
    (0..end).step_by(size).map(move |start| start..(start + size).min(end))
}

#[cfg(test)]
mod tests {
    use super::batches;

    #[test]
    fn the_last_batch_may_be_smaller_or_left_out() {
        assert_eq!(batches(5, 2, false).collect::<Vec<_>>(), [0..2, 2..4, 4..5]);
        assert_eq!(batches(5, 2, true).collect::<Vec<_>>(), [0..2, 2..4]);
        assert_eq!(batches(1, 2, true).count(), 0);
    }
}
