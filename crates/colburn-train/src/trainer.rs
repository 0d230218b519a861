//! The trainer: a model, a loss, arguments and data in, a trained model out.

use std::collections::BTreeMap;
use std::sync::Arc;

use colburn_data::Examples;
use colburn_eval::Evaluator;
use colburn_loss::Loss;
use colburn_model::ColBert;
use colburn_model::card::ModelCardData;

use crate::launch;
use crate::{Callback, LearningRate, Optimizer, Result, TrainerState, TrainingArguments};

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
    pub(crate) model: ColBert,
    pub(crate) loss: Arc<dyn Loss>,
    /// Losses of datasets, by their names.
    pub(crate) losses: Vec<(String, Arc<dyn Loss>)>,
    pub(crate) args: TrainingArguments,
    pub(crate) train: Vec<Named>,
    pub(crate) eval: Vec<Named>,
    pub(crate) evaluators: Vec<Box<dyn Evaluator>>,
    pub(crate) callbacks: Vec<Box<dyn Callback>>,
    pub(crate) optimizer: Option<Box<dyn Optimizer>>,
    pub(crate) schedule: Option<Box<dyn LearningRate>>,
    pub(crate) handle_interrupt: bool,
    pub(crate) card: ModelCardData,
    #[cfg(feature = "hub")]
    pub(crate) hub: Option<colburn_hub::Hub>,
}

/// A dataset and the name that it is told apart by; empty when it is alone.
#[derive(Clone)]
pub(crate) struct Named {
    pub name: String,
    pub examples: Examples,
}

/// What training gives.
#[derive(Debug)]
pub struct TrainOutput {
    /// The trained model, on its device without autodiff: the one that lies in `output_dir`.
    pub model: ColBert,
    /// Optimizer steps done.
    pub global_step: usize,
    /// The mean loss of all steps.
    pub training_loss: f64,
    /// `train_runtime` in seconds, `train_samples_per_second`, `train_steps_per_second`, `train_loss`, `total_flos`. A run that goes on from
    /// a checkpoint counts its own time, and the losses of all steps.
    pub metrics: BTreeMap<String, f64>,
    /// Where the run stands, and all that it logged: what lies in `trainer_state.json`.
    pub state: TrainerState,
    /// Whether the run was stopped by Ctrl-C. Then there is a checkpoint of its last step, and no final model in `output_dir`.
    pub interrupted: bool,
    /// What has become of the uploads to the hub, if there were to be any.
    #[cfg(feature = "hub")]
    pub push: Option<crate::PushOutput>,
}

impl Trainer {
    /// A trainer of this model with this loss. The model trains on the device that it lies on.
    pub fn new(model: ColBert, loss: impl Loss + 'static, args: TrainingArguments) -> Self {
        Self {
            model,
            loss: Arc::new(loss),
            losses: Vec::new(),
            args,
            train: Vec::new(),
            eval: Vec::new(),
            evaluators: Vec::new(),
            callbacks: Vec::new(),
            optimizer: None,
            schedule: None,
            handle_interrupt: true,
            card: ModelCardData::default(),
            #[cfg(feature = "hub")]
            hub: None,
        }
    }

    /// What to train on: rows of texts, or a teacher's scores ([`KdProcessing`](colburn_data::KdProcessing)).
    #[must_use]
    pub fn train_dataset(self, dataset: impl Into<Examples>) -> Self {
        self.named_train_dataset("", dataset)
    }

    /// One of several datasets to train on. A batch comes from one of them; `multi_dataset_batch_sampler` says in what order.
    #[must_use]
    pub fn named_train_dataset(mut self, name: impl Into<String>, dataset: impl Into<Examples>) -> Self {
        self.train.push(Named { name: name.into(), examples: dataset.into() });
        self
    }

    /// What to compute `eval_loss` on.
    #[must_use]
    pub fn eval_dataset(self, dataset: impl Into<Examples>) -> Self {
        self.named_eval_dataset("", dataset)
    }

    /// One of several datasets to compute a loss on, `eval_NAME_loss`.
    #[must_use]
    pub fn named_eval_dataset(mut self, name: impl Into<String>, dataset: impl Into<Examples>) -> Self {
        self.eval.push(Named { name: name.into(), examples: dataset.into() });
        self
    }

    /// The loss of the datasets of this name, in training and in evaluation, instead of the one given to [`Trainer::new`].
    #[must_use]
    pub fn loss_for(mut self, dataset: impl Into<String>, loss: impl Loss + 'static) -> Self {
        self.losses.push((dataset.into(), Arc::new(loss)));
        self
    }

    /// What else to evaluate; several run in the order in which they are given.
    #[must_use]
    pub fn evaluator(mut self, evaluator: impl Evaluator + 'static) -> Self {
        self.evaluators.push(Box::new(evaluator));
        self
    }

    /// Code to be called at the events of the run; several are called in the order in which they are given.
    #[must_use]
    pub fn callback(mut self, callback: impl Callback + 'static) -> Self {
        self.callbacks.push(Box::new(callback));
        self
    }

    /// An optimizer instead of AdamW with the settings of the arguments.
    #[must_use]
    pub fn optimizer(mut self, optimizer: impl Optimizer + 'static) -> Self {
        self.optimizer = Some(Box::new(optimizer));
        self
    }

    /// Learning rates instead of those of `learning_rate` and `lr_scheduler_type`.
    #[must_use]
    pub fn scheduler(mut self, schedule: impl LearningRate + 'static) -> Self {
        self.schedule = Some(Box::new(schedule));
        self
    }

    /// Whether Ctrl-C, or a request to terminate, saves a checkpoint and ends the run; it does unless this says no. The handler is the
    /// process's: it stays installed after the run, and then Ctrl-C ends the process as ever.
    #[must_use]
    pub fn handle_interrupt(mut self, handle: bool) -> Self {
        self.handle_interrupt = handle;
        self
    }

    /// What only a person can say of the model, for the card that is saved with it: language, licence, names.
    #[must_use]
    pub fn model_card(mut self, data: ModelCardData) -> Self {
        self.card = data;
        self
    }

    /// The hub that `push_to_hub` uploads to, in place of the one that the environment names.
    #[cfg(feature = "hub")]
    #[must_use]
    pub fn hub(mut self, hub: colburn_hub::Hub) -> Self {
        self.hub = Some(hub);
        self
    }

    /// Trains, and saves the model, the checkpoints and `trainer_state.json` into `output_dir`.
    ///
    /// With `resume_from_checkpoint` the run goes on where the checkpoint was written, and comes to the same weights and the same log as if
    /// it had not been stopped.
    ///
    /// # Errors
    /// Before the first step: arguments that cannot be, no or too little data, columns without a role, a first batch that cannot be trained
    /// on, an output folder that cannot be written or that another run is writing into, a checkpoint that is damaged, a hub that takes no
    /// uploads where there are to be some. Later: data that cannot
    /// be read, losses or gradients that are not finite again and again, a disk that is full; then `trainer_state.json` is that of the last
    /// step.
    pub fn train(self) -> Result<TrainOutput> {
        launch::train(self)
    }
}
