//! The rows that a run reads: to train on, to evaluate the loss on, and those of the evaluators.

use std::collections::BTreeMap;
use std::sync::Arc;

use colburn::data::{self, Dataset, Examples, KdProcessing};
use colburn::eval::{Evaluator, EvaluatorContext};

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
    pub fn load(run: &RunConfig) -> Result<Self> {
        let mut files = Files::default();
        let needs_train = run.training.trains() || run.data.test_size.is_some();
        let mut train = if needs_train { files.all(&run.data.train)? } else { Vec::new() };
        let mut eval = files.all(&run.data.eval)?;
        if let (Some(test_size), [(name, whole)]) = (run.data.test_size, &mut train[..]) {
            let (rest, held_out) = split(whole, test_size, run.training.seed)?;
            *whole = rest;
            eval.push((name.clone(), held_out));
        }
        let batch_size = run.training.per_device_eval_batch_size;
        let mut load = |path: &str| files.load(path);
        let mut context = EvaluatorContext { eval: &eval, batch_size, load: &mut load };
        let mut evaluators = Vec::with_capacity(run.evaluators.len());
        for config in &run.evaluators {
            evaluators.push(config.clone().build(&mut context)?);
        }
        Ok(Self { train, eval, evaluators })
    }
}

fn split(examples: &Examples, test_size: f64, seed: u64) -> Result<(Examples, Examples)> {
    Ok(match examples {
        Examples::Texts(rows) => {
            let (train, test) = rows.train_test_split(test_size, seed)?;
            (train.into(), test.into())
        }
        Examples::Distillation(rows) => {
            let (train, test) = rows.train_test_split(test_size, seed)?;
            (train.into(), test.into())
        }
    })
}

/// The files that were read already: datasets often share the tables of the texts that their rows name.
#[derive(Default)]
struct Files(BTreeMap<String, Dataset>);

impl Files {
    /// The rows of a file, a pattern or a directory.
    fn load(&mut self, path: &str) -> data::Result<Dataset> {
        if let Some(rows) = self.0.get(path) {
            return Ok(rows.clone());
        }
        let rows = Dataset::load(path)?;
        self.0.insert(path.to_owned(), rows.clone());
        Ok(rows)
    }

    fn all(&mut self, datasets: &[DatasetConfig]) -> Result<Vec<(String, Examples)>> {
        datasets.iter().map(|dataset| Ok((dataset.name.clone(), self.examples(dataset)?))).collect()
    }

    fn examples(&mut self, dataset: &DatasetConfig) -> Result<Examples> {
        let rows = self.load(&dataset.path)?;
        let Some(tables) = &dataset.tables else { return Ok(rows.into()) };
        let joined = KdProcessing::new(rows, self.load(&tables.queries)?, self.load(&tables.documents)?)?;
        Ok(match tables.n_ways {
            Some(n_ways) => joined.n_ways(n_ways)?,
            None => joined,
        }
        .into())
    }
}
