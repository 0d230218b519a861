//! The rows that a run reads: to train on, to evaluate the loss on, and those of the evaluators.

use std::sync::Arc;

use colburn::burn::tensor::Device;
use colburn::data::{self, Dataset, Examples, KdProcessing, KnownRows, Missing, Source, StreamRows, TextRows};
use colburn::eval::{Evaluator, EvaluatorContext};
use colburn::ops::device::is_cpu;

use crate::Result;
use crate::config::{DatasetConfig, RunConfig};

/// The rows of a run, each part with its name.
pub struct Rows {
    pub train: Vec<(String, Examples)>,
    pub eval: Vec<(String, Examples)>,
    /// The evaluators, each with its rows.
    pub evaluators: Vec<Arc<dyn Evaluator>>,
}

impl Rows {
    /// Reads all files that the run names, each once.
    pub fn load(run: &RunConfig, device: &Device) -> Result<Self> {
        let mut files = Files::default();
        let (mut train, mut eval) = (Vec::new(), Vec::new());
        if run.training.trains() || run.data.test_size.is_some() {
            for dataset in &run.data.train {
                if let Some(buffer_size) = dataset.streaming {
                    let roles = dataset.roles.clone();
                    let rows = StreamRows::open(&dataset.source(), roles, dataset.options, buffer_size)?;
                    train.push((dataset.name.clone(), rows.into()));
                    continue;
                }
                let rows = files.load(&dataset.source())?;
                // The rows are split before a row becomes several, so that all of them are on one side.
                let (rows, held_out) = match run.data.test_size {
                    Some(test_size) => {
                        let (rows, held_out) = rows.train_test_split(test_size, run.training.seed)?;
                        (rows, Some(held_out))
                    }
                    None => (rows, None),
                };
                train.push((dataset.name.clone(), files.examples(dataset, rows)?));
                if let Some(held_out) = held_out {
                    eval.push((dataset.name.clone(), files.examples(dataset, held_out)?));
                }
            }
        }
        for dataset in &run.data.eval {
            let rows = files.load(&dataset.source())?;
            eval.push((dataset.name.clone(), files.examples(dataset, rows)?));
        }
        for (dataset, (_, examples)) in run.data.train.iter().zip(&train).chain(run.data.eval.iter().zip(&eval)) {
            if matches!(examples.known(), KnownRows::Distillation(rows) if rows.has_scores()) {
                run.check_scores(dataset)?;
            }
        }
        // A GPU has a size of its own, which has nothing to do with the rows of a batch of the loss.
        let batch_size = is_cpu(device).then_some(run.training.per_device_eval_batch_size);
        let mut load = |path: &str| files.load(&Source::new(path));
        let mut context = EvaluatorContext { eval: &eval, batch_size, load: &mut load };
        let mut evaluators = Vec::with_capacity(run.evaluators.len());
        for config in &run.evaluators {
            evaluators.push(config.clone().build(&mut context)?);
        }
        Ok(Self { train, eval, evaluators })
    }
}

/// The files that were read already: datasets often share the tables of the texts that their rows name.
#[derive(Default)]
struct Files(Vec<(Source, Dataset)>);

impl Files {
    /// The rows of a source.
    fn load(&mut self, source: &Source) -> data::Result<Dataset> {
        if let Some((_, rows)) = self.0.iter().find(|(known, _)| known == source) {
            return Ok(rows.clone());
        }
        let rows = Dataset::from_source(source)?;
        self.0.push((source.clone(), rows.clone()));
        Ok(rows)
    }

    /// The rows of a dataset, with their roles or their texts.
    fn examples(&mut self, dataset: &DatasetConfig, rows: Dataset) -> Result<Examples> {
        let Some(tables) = &dataset.tables else {
            let rows = match &dataset.roles {
                Some(roles) => rows.with_columns(roles.clone())?,
                None => rows,
            };
            return Ok(TextRows::new(rows, dataset.options)?.into());
        };
        let (queries, documents) = (Source::new(&tables.queries), Source::new(&tables.documents));
        let mut joined = KdProcessing::new(rows, self.load(&queries)?, self.load(&documents)?)?;
        if let Some(n_ways) = tables.n_ways {
            joined = joined.n_ways(n_ways)?;
        }
        Ok(match dataset.options.missing {
            Missing::Error | Missing::Keep => joined,
            Missing::Skip => joined.skip_missing()?,
        }
        .into())
    }
}
