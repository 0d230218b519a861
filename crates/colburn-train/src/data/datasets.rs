//! The datasets of a run: their batches, and the loss of each.

use std::collections::HashSet;
use std::sync::Arc;

use colburn_data::{BatchSampler, Collator, Examples, KnownRows, MultiSampler, Sampling, StreamRows};
use colburn_loss::Loss;
use colburn_model::TextTokenizer;
use colburn_report::card::NamedExamples;

use super::loader::{Loader, Stream};
use crate::ranks::Ranks;
use crate::{Error, Result, TrainingArguments};

/// The datasets of a run and their losses, as they were given to the trainer.
pub(crate) struct Datasets {
    pub train: Vec<NamedExamples>,
    pub eval: Vec<NamedExamples>,
    /// The loss of the datasets that have none of their own.
    pub loss: Arc<dyn Loss>,
    /// Losses of single datasets, by the names of these.
    pub own_losses: Vec<(String, Arc<dyn Loss>)>,
}

/// A dataset on which a loss is computed in evaluation.
pub(crate) struct EvalSet {
    /// Empty when it is alone.
    pub name: String,
    pub description: String,
    /// Its batches; an epoch of them is one pass over it.
    pub batches: Loader,
}

impl Datasets {
    /// The number of rows of each training dataset; 0 for one that is streamed.
    pub fn rows(&self) -> Vec<usize> {
        self.train.iter().map(|named| named.examples.rows().unwrap_or(0)).collect()
    }

    /// The loss of each training dataset, then of each eval dataset.
    pub fn losses(&self) -> Vec<Arc<dyn Loss>> {
        self.all().map(|named| self.loss_of(named).clone()).collect()
    }

    fn loss_of(&self, named: &NamedExamples) -> &Arc<dyn Loss> {
        let own = self.own_losses.iter().find(|(name, _)| *name == named.name);
        own.map_or(&self.loss, |(_, loss)| loss)
    }

    /// Checks the settings of all losses.
    ///
    /// # Errors
    /// When a setting cannot be used.
    pub fn check_losses(&self) -> Result<()> {
        let mut losses = std::iter::once(&self.loss).chain(self.own_losses.iter().map(|(_, loss)| loss));
        Ok(losses.try_for_each(|loss| loss.validate())?)
    }

    /// Checks that names distinguish the datasets, and that each loss of its own belongs to a dataset.
    ///
    /// # Errors
    /// When two datasets have one name, or a loss belongs to none.
    pub fn check_names(&self) -> Result<()> {
        for datasets in [&self.train, &self.eval] {
            let mut seen = HashSet::new();
            if let Some(twice) = datasets.iter().find(|named| !seen.insert(named.name.as_str())) {
                return Err(Error::SameDataset { name: twice.name.clone() });
            }
        }
        let known: Vec<&str> = self.all().map(|named| named.name.as_str()).collect();
        match self.own_losses.iter().find(|(name, _)| !known.contains(&name.as_str())) {
            Some((name, _)) => Err(Error::NoDataset { name: name.clone(), known: known.join(", ") }),
            None => Ok(()),
        }
    }

    /// The training batches of this rank.
    ///
    /// # Errors
    /// When there is nothing to train on, columns have no role, or there are too few rows for a batch.
    pub fn train_batches(
        &self,
        args: &TrainingArguments,
        tokenizer: &TextTokenizer,
        ranks: &dyn Ranks,
    ) -> Result<Loader> {
        if self.train.is_empty() {
            return Err(Error::NoTrainDataset);
        }
        if let Some((named, rows)) = self.stream()? {
            let stream = stream(args, rows)?;
            if ranks.rank() == 0 {
                self.warn_of(named, args, ranks)?;
            }
            let collator = self.collator(args, tokenizer, named)?;
            return Ok(Loader::streamed(collator, stream).shard(ranks.rank(), ranks.world_size()));
        }
        let (size, drop_last) = (args.per_device_train_batch_size, args.dataloader_drop_last);
        let (mut collators, mut samplers) = (Vec::new(), Vec::new());
        for named in &self.train {
            let sampler = BatchSampler::new(&named.examples, size, args.train_sampling_strategy, drop_last, args.seed)?;
            check_batches("train", &named.examples, size, &sampler)?;
            samplers.push(sampler);
            collators.push(self.collator(args, tokenizer, named)?);
            if ranks.rank() == 0 {
                self.warn_of(named, args, ranks)?;
            }
        }
        let sampler = MultiSampler::new(samplers, args.multi_dataset_batch_sampler, args.seed)?;
        Ok(Loader::new(collators, sampler, 0).shard(ranks.rank(), ranks.world_size()))
    }

    /// The training dataset that is streamed, if one is.
    ///
    /// # Errors
    /// When there are others beside it, or an eval dataset is streamed.
    fn stream(&self) -> Result<Option<(&NamedExamples, &StreamRows)>> {
        let of = |named: &'_ NamedExamples| matches!(named.examples, Examples::Stream(_));
        if let Some(eval) = self.eval.iter().find(|named| of(named)) {
            let data = eval.examples.description();
            return Err(Error::Streamed { data, problem: "an eval dataset is evaluated as a whole" });
        }
        match &self.train[..] {
            [named @ NamedExamples { examples: Examples::Stream(rows), .. }] => Ok(Some((named, rows))),
            all => match all.iter().find(|named| of(named)) {
                Some(named) => {
                    let problem =
                        "there are several training datasets, whose batches are mixed by their numbers of rows";
                    Err(Error::Streamed { data: named.examples.description(), problem })
                }
                None => Ok(None),
            },
        }
    }

    /// The eval datasets, each in its own order, so that in-batch negatives are the same in each evaluation.
    ///
    /// # Errors
    /// When columns have no role, or there are too few rows for a batch.
    pub fn eval_sets(&self, args: &TrainingArguments, tokenizer: &TextTokenizer) -> Result<Vec<EvalSet>> {
        let (size, drop_last) = (args.per_device_eval_batch_size, args.dataloader_drop_last);
        let eval_set = |(index, named): (usize, &NamedExamples)| {
            let sampler = BatchSampler::new(&named.examples, size, Sampling::Sequential, drop_last, args.seed)?;
            check_batches("eval", &named.examples, size, &sampler)?;
            let sampler = MultiSampler::new(vec![sampler], args.multi_dataset_batch_sampler, args.seed)?;
            let collators = vec![self.collator(args, tokenizer, named)?];
            let batches = Loader::new(collators, sampler, self.train.len() + index);
            Ok(EvalSet { name: named.name.clone(), description: named.examples.description(), batches })
        };
        self.eval.iter().enumerate().map(eval_set).collect()
    }

    /// Warns where nothing can be learned from a dataset.
    fn warn_of(&self, named: &NamedExamples, args: &TrainingArguments, ranks: &dyn Ranks) -> Result<()> {
        for doubt in named.examples.doubts()? {
            tracing::warn!("{doubt}");
        }
        let KnownRows::Texts(rows) = named.examples.known() else { return Ok(()) };
        let is_alone = args.per_device_train_batch_size == 1 && ranks.world_size() == 1;
        if is_alone
            && !rows.is_empty()
            && self.loss_of(named).name().contains("contrastive")
            && rows.documents(0)?.len() == 1
        {
            tracing::warn!(
                "{}: a batch is one row without negatives, so the loss is 0 at every step; expected a larger per_device_train_batch_size",
                rows.description()
            );
        }
        Ok(())
    }

    /// The collator of a dataset, with its prompts.
    fn collator(&self, args: &TrainingArguments, tokenizer: &TextTokenizer, named: &NamedExamples) -> Result<Collator> {
        let known: Vec<&str> = self.all().map(|named| named.name.as_str()).filter(|name| !name.is_empty()).collect();
        let name = Some(named.name.as_str()).filter(|name| !name.is_empty());
        let prompts = args.prompts.for_dataset(name, &known)?;
        let collator = Collator::new(tokenizer.clone(), named.examples.clone())?;
        Ok(collator.with_prompts(prompts)?.with_seed(args.seed))
    }

    fn all(&self) -> impl Iterator<Item = &NamedExamples> {
        self.train.iter().chain(&self.eval)
    }
}

/// The batches of rows that are streamed.
fn stream(args: &TrainingArguments, rows: &StreamRows) -> Result<Stream> {
    let wrong = |key: &'static str, value: String, expected: &'static str| Error::Argument {
        key,
        value,
        expected: expected.into(),
    };
    let expected =
        "the rows are streamed and their number is not known, so a number of steps of at least 1 is expected";
    let Some(steps) = usize::try_from(args.max_steps).ok().filter(|&steps| steps > 0) else {
        return Err(wrong("max_steps", args.max_steps.to_string(), expected));
    };
    let shuffle = match args.train_sampling_strategy {
        Sampling::Random => true,
        Sampling::Sequential => false,
        other => {
            let expected = "the rows are streamed and cannot be sorted, so \"random\" or \"sequential\" is expected";
            return Err(wrong("train_sampling_strategy", format!("{other:?}"), expected));
        }
    };
    Ok(Stream {
        rows: rows.clone(),
        batch_size: args.per_device_train_batch_size,
        shuffle,
        drop_last: args.dataloader_drop_last,
        seed: args.seed,
        batches: steps.saturating_mul(args.gradient_accumulation_steps),
    })
}

fn check_batches(which: &'static str, examples: &Examples, batch_size: usize, sampler: &BatchSampler) -> Result<()> {
    match sampler.batches_per_epoch() {
        0 => Err(Error::NoBatch { which, rows: examples.len(), batch_size }),
        _ => Ok(()),
    }
}
