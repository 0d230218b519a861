//! `colburn evaluate`: measures a model on collections and triplets.

use std::collections::HashSet;
use std::num::NonZeroUsize;
use std::path::Path;
use std::time::{Duration, Instant};

use colburn::data::Dataset;
use colburn::eval::{
    Collection, Evaluator, InformationRetrievalEvaluator, NanoBeirEvaluator, Progress, Report, RetrievalOptions, Table,
    TripletEvaluator,
};
use colburn::model::{ColBert, write_atomic};
use colburn::ops::device::by_name;
use serde_json::{Map, Value};

use crate::command_line::EvaluateArguments;
use crate::prompts::{Asked, say_left_out};
use crate::{Error, Outcome, Result, output};

/// The time between reports of progress.
const INTERVAL: Duration = Duration::from_secs(5);

pub fn run(arguments: &EvaluateArguments) -> Result<Outcome> {
    let device = by_name(arguments.device.name.as_deref())?;
    output::prepare(&arguments.output)?;
    let evaluators = evaluators(arguments)?;
    let mut names = HashSet::new();
    if let Some(metric) = evaluators.iter().flat_map(|one| one.metrics()).find(|metric| !names.insert(metric.clone())) {
        return Err(Error::SameMetric { metric });
    }
    let model = arguments.precision.of(ColBert::from_pretrained(&arguments.model, &device)?)?;
    say_prompts(arguments, &model);
    evaluators.iter().try_for_each(|evaluator| evaluator.check(&model))?;
    let reports =
        evaluators.iter().map(|evaluator| evaluate(evaluator.as_ref(), &model)).collect::<Result<Vec<_>>>()?;
    let results: Map<String, Value> = reports.iter().flat_map(Report::to_json).collect();
    write_atomic(&arguments.output, format!("{:#}\n", Value::Object(results.clone())).as_bytes())?;
    if arguments.write_predictions {
        for (evaluator, report) in evaluators.iter().zip(&reports) {
            evaluator.write_csv(report, &output::folder(&arguments.output), -1.0, -1)?;
        }
    }
    show(results.iter().map(|(name, value)| (name.as_str(), value.as_f64().unwrap_or(f64::NAN))));
    Ok(Outcome::Done)
}

/// Says which texts get no prompt of a model that has some.
fn say_prompts(arguments: &EvaluateArguments, model: &ColBert) {
    let prompts = &arguments.prompts;
    let query = Asked::new(prompts.query_prompt.as_ref(), prompts.query_prompt_name.as_ref());
    let document = Asked::new(prompts.corpus_prompt.as_ref(), prompts.corpus_prompt_name.as_ref());
    let encoded =
        [("the queries", query, Some("--query-prompt")), ("the documents", document, Some("--corpus-prompt"))];
    say_left_out(model, &encoded);
}

/// Everything that the arguments name is read before the model.
fn evaluators(arguments: &EvaluateArguments) -> Result<Vec<Box<dyn Evaluator>>> {
    let batch_size = arguments.batch_size.map(NonZeroUsize::get);
    let mut evaluators: Vec<Box<dyn Evaluator>> = Vec::new();
    if let Some(triplets) = &arguments.triplets {
        let evaluator = of_triplets(&Dataset::load(triplets)?, arguments)?;
        evaluators.push(Box::new(match batch_size {
            Some(batch_size) => evaluator.batch_size(batch_size),
            None => evaluator,
        }));
    }
    let options = RetrievalOptions {
        batch_size,
        query_length: arguments.query_length.map(Into::into),
        query_prompt: arguments.prompts.query_prompt.clone(),
        corpus_prompt: arguments.prompts.corpus_prompt.clone(),
        query_prompt_name: arguments.prompts.query_prompt_name.clone(),
        corpus_prompt_name: arguments.prompts.corpus_prompt_name.clone(),
        ignore_identical_ids: arguments.ignore_identical_ids,
        write_predictions: arguments.write_predictions,
        ..Default::default()
    };
    let mut nano = arguments.nano.iter().map(|dir| named_or_folder(dir)).collect::<Result<Vec<_>>>()?;
    // The mean of one collection is that collection.
    match (nano.pop(), nano.is_empty()) {
        (None, _) => {}
        (Some(one), true) => {
            evaluators.push(Box::new(InformationRetrievalEvaluator::new(one).options(options.clone())?));
        }
        (Some(last), false) => {
            nano.push(last);
            evaluators.push(Box::new(NanoBeirEvaluator::from_collections(nano)?.options(options.clone())?));
        }
    }
    for dir in &arguments.beir {
        let collection = Collection::from_beir_dir(dir, &arguments.split)?;
        evaluators.push(Box::new(InformationRetrievalEvaluator::new(collection).options(options.clone())?));
    }
    Ok(evaluators)
}

/// The evaluator of triplets, with the prompts that were asked for.
fn of_triplets(rows: &Dataset, arguments: &EvaluateArguments) -> Result<TripletEvaluator> {
    let mut evaluator = TripletEvaluator::new(rows)?;
    let prompts = arguments.prompts.clone();
    if let Some(prompt) = prompts.query_prompt {
        evaluator = evaluator.query_prompt(prompt);
    }
    if let Some(name) = prompts.query_prompt_name {
        evaluator = evaluator.query_prompt_name(name);
    }
    if let Some(prompt) = prompts.corpus_prompt {
        evaluator = evaluator.corpus_prompt(prompt);
    }
    if let Some(name) = prompts.corpus_prompt_name {
        evaluator = evaluator.corpus_prompt_name(name);
    }
    Ok(evaluator)
}

/// A folder, or a name of NanoBEIR's where there is no such folder.
fn named_or_folder(dir: &Path) -> Result<Collection> {
    let name = dir.to_str().filter(|_| !dir.exists());
    let known = |name: &&str| {
        let short = name.strip_prefix("zeta-alpha-ai/").unwrap_or(name).to_lowercase();
        NanoBeirEvaluator::NAMES.contains(&short.strip_prefix("nano").unwrap_or(&short))
    };
    Ok(match name.filter(known) {
        Some(name) => Collection::from_nano_name(name, None)?,
        None => Collection::from_nano_dir(dir)?,
    })
}

/// Runs an evaluator, and logs its progress now and then.
fn evaluate(evaluator: &dyn Evaluator, model: &ColBert) -> Result<Report> {
    let mut logged = Instant::now();
    Ok(evaluator.evaluate_with(model, &mut |Progress { what, done, total }| {
        if logged.elapsed() >= INTERVAL {
            logged = Instant::now();
            tracing::info!("evaluating: {what} {done} of {total}");
        }
    })?)
}

/// Metrics for people: those of collections as a table.
pub fn show<'a>(metrics: impl Iterator<Item = (&'a str, f64)>) {
    let table = Table::new(metrics);
    for (name, value) in &table.others {
        output::say(&format!("{name} {value:.4}"));
    }
    for line in &table.lines {
        output::say(line);
    }
}
