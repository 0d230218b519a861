//! The trainer: a model, a loss, arguments and data in, a trained model out.

use std::sync::Arc;

use colburn_data::Examples;
use colburn_eval::Evaluator;
use colburn_loss::Loss;
use colburn_model::ColBert;
use colburn_model::card::ModelCardData;
use colburn_report::card::NamedExamples;
use colburn_report::{NonFatal, Reporter};

use crate::data::datasets::Datasets;
use crate::run::parts::TrainerParts;
use crate::run::{evaluation, setup};
use crate::{Alone, Callback, GradScaler, LearningRate, Optimizer, Ranks, Result, TrainOutput, TrainingArguments};

/// Trains a model.
///
/// ```no_run
/// use burn::tensor::Device;
/// use colburn_data::Dataset;
/// use colburn_eval::TripletEvaluator;
/// use colburn_loss::Contrastive;
/// use colburn_model::ColBert;
/// use colburn_train::{IntervalStrategy, Trainer, TrainingArguments};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let model = ColBert::from_pretrained("bert-base-uncased", &Device::default())?;
/// let (train, eval) = Dataset::load("triplets.parquet")?.train_test_split(0.01, 42)?;
/// let args = TrainingArguments {
///     output_dir: "output/run".into(),
///     num_train_epochs: 1.0,
///     eval_strategy: IntervalStrategy::Epoch,
///     eval_on_start: true,
///     ..Default::default()
/// };
/// let trained = Trainer::new(model, Contrastive::default(), args)
///     .train_dataset(train)
///     .evaluator(TripletEvaluator::new(&eval)?)
///     .eval_dataset(eval)
///     .train()?;
/// println!("mean loss {}", trained.training_loss);
/// # Ok(())
/// # }
/// ```
pub struct Trainer {
    model: ColBert,
    parts: TrainerParts,
}

impl Trainer {
    /// A trainer of this model with this loss. The model trains on the device that it lies on.
    pub fn new(model: ColBert, loss: impl Loss + 'static, args: TrainingArguments) -> Self {
        let datasets = Datasets { train: Vec::new(), eval: Vec::new(), loss: Arc::new(loss), own_losses: Vec::new() };
        let parts = TrainerParts {
            args,
            datasets,
            evaluators: Vec::new(),
            callbacks: Vec::new(),
            reporters: Vec::new(),
            optimizer: None,
            schedule: None,
            grad_scaler: None,
            ranks: Arc::new(Alone),
            handle_interrupt: true,
            quiet: false,
            card: ModelCardData::default(),
            #[cfg(feature = "hub")]
            hub: None,
        };
        Self { model, parts }
    }

    /// The data to train on: rows of texts, or a teacher's scores ([`KdProcessing`](colburn_data::KdProcessing)).
    #[must_use]
    pub fn train_dataset(self, dataset: impl Into<Examples>) -> Self {
        self.named_train_dataset("", dataset)
    }

    /// One of several datasets to train on. Each batch comes from one of them; `multi_dataset_batch_sampler` decides their order.
    #[must_use]
    pub fn named_train_dataset(mut self, name: impl Into<String>, dataset: impl Into<Examples>) -> Self {
        self.parts.datasets.train.push(NamedExamples { name: name.into(), examples: dataset.into() });
        self
    }

    /// The data of `eval_loss`.
    #[must_use]
    pub fn eval_dataset(self, dataset: impl Into<Examples>) -> Self {
        self.named_eval_dataset("", dataset)
    }

    /// One of several datasets with a loss in evaluation, `eval_NAME_loss`.
    #[must_use]
    pub fn named_eval_dataset(mut self, name: impl Into<String>, dataset: impl Into<Examples>) -> Self {
        self.parts.datasets.eval.push(NamedExamples { name: name.into(), examples: dataset.into() });
        self
    }

    /// The loss of the datasets of this name, in training and in evaluation, instead of the loss of [`Trainer::new`].
    #[must_use]
    pub fn loss_for(mut self, dataset: impl Into<String>, loss: impl Loss + 'static) -> Self {
        self.parts.datasets.own_losses.push((dataset.into(), Arc::new(loss)));
        self
    }

    /// An evaluator; several run in the order in which they are given.
    #[must_use]
    pub fn evaluator(mut self, evaluator: impl Evaluator + 'static) -> Self {
        self.parts.evaluators.push(Arc::new(evaluator));
        self
    }

    /// Code that is called at the events of the run; several callbacks are called in the order in which they are given.
    #[must_use]
    pub fn callback(mut self, callback: impl Callback + 'static) -> Self {
        self.parts.callbacks.push(Box::new(callback));
        self
    }

    /// A report beside those that `report_to` names. Its errors end no run that has begun.
    #[must_use]
    pub fn reporter(mut self, reporter: impl Reporter + 'static) -> Self {
        self.parts.reporters.push(Box::new(NonFatal::new(reporter)));
        self
    }

    /// An optimizer instead of the one that the argument `optim` names.
    #[must_use]
    pub fn optimizer(mut self, optimizer: impl Optimizer + 'static) -> Self {
        self.parts.optimizer = Some(Box::new(optimizer));
        self
    }

    /// Learning rates instead of those of `learning_rate` and `lr_scheduler_type`.
    #[must_use]
    pub fn scheduler(mut self, schedule: impl LearningRate + 'static) -> Self {
        self.parts.schedule = Some(Box::new(schedule));
        self
    }

    /// Scales the loss so, whatever the precision. By default a run in f16 has the scaler of PyTorch's defaults, and others have none. (With
    /// accelerate these are `GradScalerKwargs`.)
    #[must_use]
    pub fn grad_scaler(mut self, scaler: GradScaler) -> Self {
        self.parts.grad_scaler = Some(scaler);
        self
    }

    /// This process as one of several ranks that train the model together; by default it trains [`Alone`]. The batch sizes of the arguments are those
    /// of one rank. With in-batch negatives, queries are compared with the documents of all ranks, so that two ranks with batches of 16 train
    /// like one with batches of 32.
    #[must_use]
    pub fn ranks(mut self, ranks: impl Ranks + 'static) -> Self {
        self.parts.ranks = Arc::new(ranks);
        self
    }

    /// True, the default, if Ctrl-C or a request to terminate saves a checkpoint and ends the run. The handler belongs to the process: it stays
    /// installed after the run, and then Ctrl-C ends the process as usual.
    #[must_use]
    pub fn handle_interrupt(mut self, handle: bool) -> Self {
        self.parts.handle_interrupt = handle;
        self
    }

    /// Writes nothing to stderr. Warnings still go to the subscriber of `tracing`, if the program has one.
    #[must_use]
    pub fn quiet(mut self) -> Self {
        self.parts.quiet = true;
        self
    }

    /// The parts of the model card that only a person knows: language, licence, names.
    #[must_use]
    pub fn model_card(mut self, data: ModelCardData) -> Self {
        self.parts.card = data;
        self
    }

    /// The hub that `push_to_hub` uploads to, instead of the one that the environment names.
    #[cfg(feature = "hub")]
    #[must_use]
    pub fn hub(mut self, hub: colburn_hub::Hub) -> Self {
        self.parts.hub = Some(hub);
        self
    }

    /// Trains, and saves the model, the checkpoints and `trainer_state.json` into `output_dir`.
    ///
    /// With `resume_from_checkpoint` the run resumes from the step of the checkpoint, and ends with the same weights and the same log as a run that was
    /// not stopped. Data, losses and arguments are compared with those of the checkpoint: a change is a warning, and another model or
    /// another number of training rows is an error.
    ///
    /// # Errors
    /// Before the first step: wrong arguments, no or too little data, columns without a role, a first batch that cannot be trained
    /// on, an output folder that cannot be written or that another run is writing into, a damaged checkpoint, a hub that refuses uploads. Later:
    /// data that cannot be read, losses or gradients that are not finite in too many consecutive steps, weights that are not finite when they are
    /// saved, a full disk; then `trainer_state.json` is that of the last step, and earlier checkpoints stay.
    pub fn train(self) -> Result<TrainOutput> {
        setup::train(self.model, self.parts)
    }

    /// The metrics of the model on the eval datasets and evaluators, without training: the same names and numbers as those of an evaluation during
    /// training. No file is written.
    ///
    /// ```no_run
    /// # use burn::tensor::Device;
    /// # use colburn_data::Dataset;
    /// # use colburn_loss::Contrastive;
    /// # use colburn_model::ColBert;
    /// # use colburn_train::{Trainer, TrainingArguments};
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let model = ColBert::from_pretrained("output/run", &Device::default())?;
    /// let trainer = Trainer::new(model, Contrastive::default(), TrainingArguments::default());
    /// for (name, value) in trainer.eval_dataset(Dataset::load("eval.parquet")?).quiet().evaluate()? {
    ///     println!("{name} {value}");
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// When there is neither an eval dataset nor an evaluator, arguments are wrong, or data cannot be read.
    pub fn evaluate(&self) -> Result<Vec<(String, f64)>> {
        evaluation::evaluate(&self.model, &self.parts)
    }
}
