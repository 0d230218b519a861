//! The evaluators of a run, each with its rows: what `[[evaluators]]` describes becomes what the library measures with.

use std::path::Path;
use std::sync::Arc;

use colburn::data::{Dataset, Examples, KdProcessing};
use colburn::eval::{
    Collection, DistillationEvaluator, Evaluator, InformationRetrievalEvaluator, NanoBeirEvaluator, RerankingEvaluator,
    RetrievalOptions, TripletEvaluator,
};

use crate::Result;
use crate::config::EvaluatorConfig;
use crate::rows::Files;

/// What is split off or given for the evaluation of a run, each dataset with its name.
type Eval = [(String, Examples)];

/// Builds an evaluator; `batch_size` is for one that has none of its own.
pub fn build(
    config: &EvaluatorConfig,
    eval: &Eval,
    files: &mut Files,
    batch_size: usize,
) -> Result<Arc<dyn Evaluator>> {
    let batch_size = config.batch_size.unwrap_or(batch_size);
    Ok(match config.r#type.as_str() {
        "nano_beir" => Arc::new(nano_beir(config, batch_size)?),
        "information_retrieval" => Arc::new(information_retrieval(config, batch_size)?),
        "distillation" => distillation(config, eval, files, batch_size)?,
        "reranking" => {
            let evaluator = RerankingEvaluator::from_dataset(&texts(config, eval, files)?)?;
            let evaluator = evaluator.name(config.name.as_str()).batch_size(batch_size);
            Arc::new(match config.at_k {
                Some(k) => evaluator.at_k(k)?,
                None => evaluator,
            })
        }
        // The configuration lets no other name pass.
        _ => {
            let evaluator = TripletEvaluator::new(&texts(config, eval, files)?)?;
            Arc::new(evaluator.name(config.name.as_str()).batch_size(batch_size))
        }
    })
}

/// Rows of text of its own, or those of the eval dataset, of which the configuration has made sure that there is one.
fn texts(config: &EvaluatorConfig, eval: &Eval, files: &mut Files) -> Result<Dataset> {
    match (&config.path, eval) {
        (None, [(_, Examples::Texts(rows))]) => Ok(rows.clone()),
        (path, _) => files.load(path.as_deref().unwrap_or_default()),
    }
}

fn distillation(
    config: &EvaluatorConfig,
    eval: &Eval,
    files: &mut Files,
    batch_size: usize,
) -> Result<Arc<dyn Evaluator>> {
    let rows = match ((&config.path, &config.queries, &config.documents), eval) {
        ((Some(path), Some(queries), Some(documents)), _) => {
            KdProcessing::new(files.load(path)?, files.load(queries)?, files.load(documents)?)?
        }
        (_, [(_, Examples::Distillation(rows))]) => rows.clone(),
        // Refused with the configuration.
        _ => KdProcessing::new(files.load("")?, files.load("")?, files.load("")?)?,
    };
    let rows = match config.n_ways {
        Some(n_ways) => rows.n_ways(n_ways)?,
        None => rows,
    };
    let evaluator = DistillationEvaluator::new(&rows)?.name(config.name.as_str()).batch_size(batch_size);
    Ok(Arc::new(evaluator.normalize_scores(config.normalize_scores.unwrap_or(true))))
}

fn nano_beir(config: &EvaluatorConfig, batch_size: usize) -> Result<NanoBeirEvaluator> {
    let all = || NanoBeirEvaluator::NAMES.map(str::to_owned).to_vec();
    let names = config.dataset_names.clone().unwrap_or_else(all);
    let mut evaluator =
        NanoBeirEvaluator::new(&names, config.path.as_deref().map(Path::new))?.options(options(config, batch_size))?;
    if let Some(prompts) = &config.query_prompts {
        evaluator = evaluator.query_prompts(prompts.clone())?;
    }
    if let Some(prompts) = &config.corpus_prompts {
        evaluator = evaluator.corpus_prompts(prompts.clone())?;
    }
    if let Some(lengths) = &config.query_lengths {
        evaluator = evaluator.query_lengths(lengths.clone())?;
    }
    Ok(evaluator)
}

fn information_retrieval(config: &EvaluatorConfig, batch_size: usize) -> Result<InformationRetrievalEvaluator> {
    let file = |file: &Option<String>| file.clone().unwrap_or_default();
    let collection = match &config.path {
        Some(folder) => collection(Path::new(folder), config.split.as_deref())?,
        None => Collection::from_files(&config.name, file(&config.queries), file(&config.corpus), file(&config.qrels))?,
    };
    let mut evaluator = InformationRetrievalEvaluator::new(collection);
    if !config.name.is_empty() {
        evaluator = evaluator.name(config.name.as_str());
    }
    Ok(evaluator.options(options(config, batch_size))?)
}

/// A collection in a folder: in BEIR's layout, which has a file with the corpus, or in NanoBEIR's, which has a folder.
pub fn collection(folder: &Path, split: Option<&str>) -> Result<Collection> {
    Ok(match (folder.join("corpus.jsonl").exists(), split) {
        (true, split) => Collection::from_beir_dir(folder, split.unwrap_or("test"))?,
        (false, Some(split)) => Collection::from_nano_split(folder, split)?,
        (false, None) => Collection::from_nano_dir(folder)?,
    })
}

/// What the configuration says, and else the defaults.
fn options(config: &EvaluatorConfig, batch_size: usize) -> RetrievalOptions {
    let default = RetrievalOptions::default();
    let cuts = |given: &Option<Vec<usize>>, default: Vec<usize>| given.clone().unwrap_or(default);
    RetrievalOptions {
        mrr_at_k: cuts(&config.mrr_at_k, default.mrr_at_k),
        ndcg_at_k: cuts(&config.ndcg_at_k, default.ndcg_at_k),
        accuracy_at_k: cuts(&config.accuracy_at_k, default.accuracy_at_k),
        precision_recall_at_k: cuts(&config.precision_recall_at_k, default.precision_recall_at_k),
        map_at_k: cuts(&config.map_at_k, default.map_at_k),
        corpus_chunk_size: config.corpus_chunk_size.unwrap_or(default.corpus_chunk_size),
        batch_size,
        query_prompt: config.query_prompt.clone(),
        corpus_prompt: config.corpus_prompt.clone(),
        query_length: config.query_length,
        document_length: config.document_length,
        write_predictions: config.write_predictions.unwrap_or(default.write_predictions),
    }
}
