//! The rows that a run reads: to train on, to compute the loss on, and the evaluators' own.

use std::collections::BTreeMap;

use colburn::data::{Dataset, Examples, KdProcessing};
use colburn::eval::TripletEvaluator;

use crate::Result;
use crate::config::{DatasetConfig, RunConfig};

/// The rows of a run, each part with its name.
pub struct Rows {
    pub train: Vec<(String, Examples)>,
    pub eval: Vec<(String, Examples)>,
    /// Those of the evaluators.
    triplets: Vec<(String, Dataset)>,
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
        let mut triplets = Vec::new();
        for evaluator in &run.evaluators {
            let rows = match (&evaluator.path, &eval[..]) {
                (Some(path), _) => Some(files.load(path)?),
                (None, [(_, Examples::Texts(rows))]) => Some(rows.clone()),
                // Refused with the configuration.
                (None, _) => None,
            };
            triplets.extend(rows.map(|rows| (evaluator.name.clone(), rows)));
        }
        Ok(Self { train, eval, triplets })
    }

    /// The evaluators, each with its rows.
    pub fn evaluators(&self, batch_size: usize) -> Result<Vec<TripletEvaluator>> {
        let evaluator = |(name, rows): &(String, Dataset)| {
            Ok(TripletEvaluator::new(rows)?.batch_size(batch_size).name(name.as_str()))
        };
        // The configuration knows one kind of evaluator so far, and lets no other name pass.
        self.triplets.iter().map(evaluator).collect()
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

/// What was read already: datasets often share the tables that their rows name texts of.
#[derive(Default)]
struct Files(BTreeMap<String, Dataset>);

impl Files {
    fn load(&mut self, path: &str) -> Result<Dataset> {
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
