//! The data of a run: which batches there are, and which loss belongs to which of them.

use std::collections::HashSet;
use std::sync::Arc;

use burn::train::ValidLoader;
use colburn_data::{BatchSampler, Collator, Examples, MultiSampler, Sampling};
use colburn_loss::Loss;
use colburn_model::TextTokenizer;

use crate::loader::Loader;
use crate::trainer::Named;
use crate::training_model::TrainingModel;
use crate::{Error, Result, TrainingArguments};

/// What a run reads.
pub(crate) struct Datasets {
    pub train: Loader,
    pub eval: Vec<EvalSet>,
    /// A loss for each training dataset, then one for each eval set.
    pub losses: Vec<Arc<dyn Loss>>,
    /// Rows of each training dataset.
    pub rows: Vec<usize>,
}

/// A dataset that a loss is computed on during training.
pub(crate) struct EvalSet {
    /// Empty when it is alone.
    pub name: String,
    pub description: String,
    pub rows: usize,
    pub batches: ValidLoader<TrainingModel>,
}

impl Datasets {
    /// # Errors
    /// When there is nothing to train on, two datasets have one name, a name belongs to no dataset, columns have no role, or there are too
    /// few rows for a batch.
    pub fn new(
        args: &TrainingArguments,
        tokenizer: &TextTokenizer,
        train: Vec<Named>,
        eval: Vec<Named>,
        loss: &Arc<dyn Loss>,
        losses: &[(String, Arc<dyn Loss>)],
    ) -> Result<Self> {
        if train.is_empty() {
            return Err(Error::NoTrainDataset);
        }
        names(&train, &eval, losses)?;
        let loss_of = |named: &Named| {
            let own = losses.iter().find(|(name, _)| *name == named.name);
            own.map_or_else(|| loss.clone(), |(_, loss)| loss.clone())
        };
        let all_losses = train.iter().chain(&eval).map(loss_of).collect();
        let rows: Vec<usize> = train.iter().map(|named| named.examples.len()).collect();

        let all_names = train.iter().chain(&eval).map(|named| named.name.clone());
        let known: Vec<String> = all_names.filter(|name| !name.is_empty()).collect();
        let size = args.per_device_train_batch_size;
        let (mut collators, mut samplers) = (Vec::new(), Vec::new());
        for named in train {
            let drop_last = args.dataloader_drop_last;
            let sampler = BatchSampler::new(&named.examples, size, args.train_sampling_strategy, drop_last, args.seed)?;
            has_batches("train", &named.examples, size, &sampler)?;
            samplers.push(sampler);
            collators.push((named.name.clone(), collator(args, tokenizer, named, &known)?));
        }
        let sampler = MultiSampler::new(samplers, args.multi_dataset_batch_sampler, args.seed)?;
        let train = Loader::new(collators, sampler, 0);
        let first = rows.len();
        let eval = eval.into_iter().enumerate();
        let eval = eval.map(|(index, named)| eval_set(args, tokenizer, named, &known, first + index));
        Ok(Self { train, eval: eval.collect::<Result<_>>()?, losses: all_losses, rows })
    }
}

/// The eval dataset in its own order, so that in-batch negatives are the same each time.
fn eval_set(
    args: &TrainingArguments,
    tokenizer: &TextTokenizer,
    named: Named,
    known: &[String],
    dataset: usize,
) -> Result<EvalSet> {
    let (size, drop_last) = (args.per_device_eval_batch_size, args.dataloader_drop_last);
    let sampler = BatchSampler::new(&named.examples, size, Sampling::Sequential, drop_last, args.seed)?;
    has_batches("eval", &named.examples, size, &sampler)?;
    let (name, description, rows) = (named.name.clone(), named.examples.description(), named.examples.len());
    let sampler = MultiSampler::new(vec![sampler], args.multi_dataset_batch_sampler, args.seed)?;
    let batches =
        Loader::new(vec![(name.clone(), collator(args, tokenizer, named, known)?)], sampler, dataset).of_epochs(1);
    Ok(EvalSet { name, description, rows, batches: Arc::new(batches) })
}

/// What makes the batches of a dataset; `known` are the names of all datasets.
fn collator(args: &TrainingArguments, tokenizer: &TextTokenizer, named: Named, known: &[String]) -> Result<Collator> {
    let known: Vec<&str> = known.iter().map(String::as_str).collect();
    let name = Some(named.name.as_str()).filter(|name| !name.is_empty());
    let prompts = args.prompts.for_dataset(name, &known)?;
    Ok(Collator::new(tokenizer.clone(), named.examples)?.with_prompts(prompts)?)
}

fn has_batches(which: &'static str, examples: &Examples, batch_size: usize, sampler: &BatchSampler) -> Result<()> {
    match sampler.batches_per_epoch() {
        0 => Err(Error::NoBatch { which, rows: examples.len(), batch_size }),
        _ => Ok(()),
    }
}

/// Names must tell datasets apart, and a loss must belong to one.
fn names(train: &[Named], eval: &[Named], losses: &[(String, Arc<dyn Loss>)]) -> Result<()> {
    for datasets in [train, eval] {
        let mut seen = HashSet::new();
        if let Some(twice) = datasets.iter().find(|named| !seen.insert(named.name.as_str())) {
            return Err(Error::SameDataset { name: twice.name.clone() });
        }
    }
    let known: Vec<&str> = train.iter().chain(eval).map(|named| named.name.as_str()).collect();
    match losses.iter().find(|(name, _)| !known.contains(&name.as_str())) {
        Some((name, _)) => Err(Error::NoDataset { name: name.clone(), known: known.join(", ") }),
        None => Ok(()),
    }
}
