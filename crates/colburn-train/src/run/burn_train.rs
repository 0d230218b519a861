//! burn-train: the only file that knows it.
//!
//! The training runs inside burn-train's learner, as a [`SupervisedLearningStrategy`]. burn-train carries the model to the loop and back, collects the
//! numbers of the steps as metrics in its event thread and passes them to the console, which is one of its renderers; its interrupter stops the
//! loop between two steps.
//!
//! Three parts of burn-train are not used. Its strategies work by epochs, but logs, evaluations and checkpoints come every so many steps and the
//! global norm must be clipped, so the loop is our own. Its optimizer state cannot be resumed to the same bits. Its checkpoints
//! have a format of their own; ours are models in PyLate's layout.

use std::collections::HashMap;
use std::convert::Infallible;
use std::error::Error as StdError;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use burn::data::dataloader::{DataLoader, DataLoaderIterator, Progress};
use burn::data::dataset::DatasetError;
use burn::module::Module;
use burn::optim::SgdConfig;
use burn::tensor::{Device, TensorReadError};
use burn::train::logger::{EvaluationProgressLogger, MetricLogger, TrainingProgressLogger};
use burn::train::metric::state::{FormatOptions, NumericMetricState};
use burn::train::metric::store::{EpochSummary, MetricsUpdate, Split};
use burn::train::metric::{
    Adaptor, Metric, MetricAttributes, MetricDefinition, MetricId, MetricMetadata, MetricName, Numeric,
    NumericAttributes, NumericEntry, SerializedEntry,
};
use burn::train::renderer::{
    EvaluationName, MetricState, MetricsRenderer, MetricsRendererEvaluation, MetricsRendererTraining,
};
use burn::train::{
    EventProcessorTraining, InferenceStep, Interrupter, ItemLazy, Learner, LearnerEvent, LearnerSummary,
    SupervisedLearningStrategy, SupervisedTraining, SupervisedTrainingEventProcessor, TrainLoader, TrainOutput,
    TrainStep, TrainingComponents, TrainingItem, TrainingStrategy, ValidLoader,
};
use burn_std::ExecutionError;
use colburn_model::ColBert;
use colburn_report::{Console, StepNumbers};

use crate::{Error, Result};

/// A request to stop between two steps; its clones are the same request.
#[derive(Clone, Default)]
pub(crate) struct StopSignal(Interrupter);

impl StopSignal {
    /// Asks the run to stop.
    pub fn request(&self) {
        self.0.stop(Some("Ctrl-C"));
    }

    /// True if the run was asked to stop, or burn-train has failed.
    pub fn is_requested(&self) -> bool {
        self.0.should_stop()
    }
}

/// The result of a training inside the learner.
pub(crate) struct Trained<T> {
    /// The model, without autodiff.
    pub model: ColBert,
    pub output: T,
    /// The error of burn-train after the training.
    pub error: Option<Error>,
}

/// Runs `train` inside burn-train's learner, which writes no files of its own.
///
/// # Errors
/// The error of `train`, or one of burn-train before it.
pub(crate) fn run<T: Send + 'static>(
    model: ColBert,
    epochs: usize,
    output_dir: &Path,
    console: &Console,
    stop: &StopSignal,
    train: impl FnOnce(ColBert, &mut LearnerEvents) -> Result<(ColBert, T)> + Send + 'static,
) -> Result<Trained<T>> {
    let strategy = Arc::new(Strategy { train: Mutex::new(Some(Box::new(train))), output: Mutex::new(None) });
    let mut training = SupervisedTraining::<LearnerModule>::new(output_dir, Arc::new(NoBatches), Arc::new(NoBatches))
        .num_epochs(epochs)
        .metric_valid_numeric(Gauge::new(&NUMBERS[0]))
        .with_metric_logger(DiscardMetrics)
        .with_application_logger(None)
        .renderer(Box::new(ConsoleRenderer::new(console.clone())))
        .with_interrupter(stop.0.clone())
        .with_training_strategy(TrainingStrategy::Custom(strategy.clone()));
    for number in &NUMBERS {
        training = training.metric_train_numeric(Gauge::new(number));
    }
    // The optimizer is required by the learner and never used.
    let learner = Learner::new(LearnerModule { model: Some(model) }, SgdConfig::new().init(), 0.0);
    let result = training.launch(learner);
    let stopped = || Error::Engine("it did not begin".to_owned());
    let output =
        strategy.output.lock().unwrap_or_else(PoisonError::into_inner).take().unwrap_or_else(|| Err(stopped()))?;
    let model = result.model.model.ok_or_else(stopped)?;
    Ok(Trained { model, output, error: result.error.map(|error| Error::Engine(error.to_string())) })
}

/// The training as burn-train calls it. It runs once.
struct Strategy<T> {
    train: Mutex<Option<Box<TrainFunction<T>>>>,
    output: Mutex<Option<Result<T>>>,
}

type TrainFunction<T> = dyn FnOnce(ColBert, &mut LearnerEvents) -> Result<(ColBert, T)> + Send;

impl<T> SupervisedLearningStrategy<LearnerModule> for Strategy<T> {
    fn fit(
        &self,
        components: TrainingComponents<LearnerModule>,
        learner: Learner<LearnerModule>,
        _: TrainLoader<LearnerModule>,
        _: ValidLoader<LearnerModule>,
        _: usize,
    ) -> (LearnerModule, SupervisedTrainingEventProcessor<LearnerModule>) {
        let LearnerModule { model } = learner.model();
        // A copy in the learner would keep the optimizer from updating the weights in place.
        drop(learner);
        let mut events = LearnerEvents { processor: components.event_processor, interrupter: components.interrupter };
        let train = self.train.lock().unwrap_or_else(PoisonError::into_inner).take();
        let (Some(model), Some(train)) = (model, train) else {
            return (LearnerModule { model: None }, events.processor);
        };
        let (model, output) = match train(model, &mut events) {
            Ok((model, output)) => (Some(model), Ok(output)),
            Err(error) => (None, Err(error)),
        };
        *self.output.lock().unwrap_or_else(PoisonError::into_inner) = Some(output);
        (LearnerModule { model }, events.processor)
    }
}

/// burn-train's side of the run: its events, and its requests to stop.
pub(crate) struct LearnerEvents {
    processor: SupervisedTrainingEventProcessor<LearnerModule>,
    interrupter: Interrupter,
}

impl LearnerEvents {
    /// True if the run is to stop between two steps.
    ///
    /// # Errors
    /// When burn-train has failed.
    pub fn stop_requested(&self) -> Result<bool> {
        match self.interrupter.error() {
            Some(error) => Err(Error::Engine(error.to_string())),
            None => Ok(self.interrupter.should_stop()),
        }
    }

    /// An epoch of so many steps begins; epochs count from 1.
    pub fn epoch_started(&mut self, epoch: usize, steps: usize) {
        self.train(LearnerEvent::StartSplit { epoch_number: epoch, total_items: steps });
    }

    /// A step is done: step `global_step` of the run, and the `done`th of the `steps` of its epoch.
    pub fn step_done(&mut self, numbers: StepNumbers, global_step: usize, done: usize, steps: usize) {
        let progress = Progress::new(done, steps, Some("steps".to_owned()));
        let rate = numbers.learning_rate.map(Into::into);
        self.train(LearnerEvent::ProcessedItem(TrainingItem::new(Numbers(numbers), progress, Some(global_step), rate)));
    }

    /// The steps of an epoch are done.
    pub fn steps_ended(&mut self, epoch: usize) {
        self.train(LearnerEvent::EndSplit(epoch));
    }

    /// Everything at the end of an epoch is done.
    pub fn epoch_ended(&mut self, epoch: usize) {
        self.train(LearnerEvent::EndEpoch(epoch));
    }

    /// The evaluation of a loss on so many batches begins.
    pub fn evaluation_started(&mut self, epoch: usize, batches: usize) {
        self.valid(LearnerEvent::StartSplit { epoch_number: epoch, total_items: batches });
    }

    /// The loss of the `done`th of the `batches` of an evaluation is known.
    pub fn evaluation_batch_done(&mut self, loss: f64, done: usize, batches: usize) {
        let progress = Progress::new(done, batches, Some("batches".to_owned()));
        let numbers = Numbers(StepNumbers { loss: Some(loss), ..StepNumbers::default() });
        self.valid(LearnerEvent::ProcessedItem(TrainingItem::new(numbers, progress, Some(done), None)));
    }

    /// The evaluation of a loss ends.
    pub fn evaluation_ended(&mut self, epoch: usize) {
        self.valid(LearnerEvent::EndSplit(epoch));
    }

    fn train(&mut self, event: LearnerEvent<Numbers>) {
        self.interrupter.fail_on_error(self.processor.process_train(event));
    }

    fn valid(&mut self, event: LearnerEvent<Numbers>) {
        self.interrupter.fail_on_error(self.processor.process_valid(event));
    }
}

/// The module that burn-train's learner carries. It is empty after an error.
#[derive(Module, Debug)]
struct LearnerModule {
    model: Option<ColBert>,
}

/// burn-train's own strategies would pass batches to these steps. The loop takes its batches from [`Loader`](crate::data::loader::Loader) and computes in
/// [`step`](super::step), so that no batch passes through burn-train: the type of the input has no values.
impl TrainStep for LearnerModule {
    type Input = Infallible;
    type Output = Numbers;

    fn step(&self, input: Infallible) -> TrainOutput<Numbers> {
        match input {}
    }
}

impl InferenceStep for LearnerModule {
    type Input = Infallible;
    type Output = Numbers;

    fn step(&self, input: Infallible) -> Numbers {
        match input {}
    }
}

/// The batches that burn-train sees: none.
struct NoBatches;

impl DataLoader<Infallible> for NoBatches {
    fn iter<'a>(&'a self) -> Box<dyn DataLoaderIterator<Infallible> + 'a> {
        Box::new(Self)
    }

    fn num_items(&self) -> usize {
        0
    }

    fn to_device(&self, _: &Device) -> Arc<dyn DataLoader<Infallible>> {
        Arc::new(Self)
    }

    fn slice(&self, _: usize, _: usize) -> Arc<dyn DataLoader<Infallible>> {
        Arc::new(Self)
    }
}

impl Iterator for NoBatches {
    type Item = std::result::Result<Infallible, DatasetError>;

    fn next(&mut self) -> Option<Self::Item> {
        None
    }
}

impl DataLoaderIterator<Infallible> for NoBatches {
    fn progress(&self) -> Progress {
        Progress::new(0, 0, None)
    }
}

/// The numbers of a step or of an evaluation batch, as they were read from the device.
struct Numbers(StepNumbers);

impl ItemLazy for Numbers {
    /// Nothing is pending.
    fn sync(self) -> std::result::Result<Self, ExecutionError> {
        Ok(self)
    }
}

impl Adaptor<StepNumbers> for Numbers {
    fn adapt(&self) -> StepNumbers {
        self.0
    }
}

/// One of the numbers of a step.
struct Number {
    name: &'static str,
    unit: Option<&'static str>,
    field: fn(&mut StepNumbers) -> &mut Option<f64>,
}

static NUMBERS: [Number; 5] = [
    Number { name: "Loss", unit: None, field: |numbers| &mut numbers.loss },
    Number { name: "Learning Rate", unit: None, field: |numbers| &mut numbers.learning_rate },
    Number { name: "Gradient Norm", unit: None, field: |numbers| &mut numbers.grad_norm },
    Number { name: "Triplets per Second", unit: Some("triplets/s"), field: |numbers| &mut numbers.triplets_per_second },
    Number { name: "Tokens per Second", unit: Some("tokens/s"), field: |numbers| &mut numbers.tokens_per_second },
];

/// One of the numbers of a step as a metric. A step without that number leaves the metric as it was.
#[derive(Clone)]
struct Gauge {
    number: &'static Number,
    name: MetricName,
    state: NumericMetricState,
    current: Option<NumericEntry>,
}

impl Gauge {
    fn new(number: &'static Number) -> Self {
        let name = Arc::new(number.name.to_owned());
        Self { number, name, state: NumericMetricState::new(), current: None }
    }

    fn format(&self) -> FormatOptions {
        let format = FormatOptions::new(self.name.clone()).precision(4);
        match self.number.unit {
            Some(unit) => format.unit(unit),
            None => format,
        }
    }
}

impl Metric for Gauge {
    type Input = StepNumbers;

    fn update(
        &mut self,
        numbers: &StepNumbers,
        _: &MetricMetadata,
    ) -> std::result::Result<SerializedEntry, TensorReadError> {
        let Some(value) = *(self.number.field)(&mut { *numbers }) else {
            self.current = None;
            return Ok(SerializedEntry::not_available(self.number.unit));
        };
        self.state.update(value, 1);
        self.current = Some(NumericEntry::Value(value));
        Ok(self.state.compute_update(self.format()))
    }

    fn compute(&mut self) -> std::result::Result<SerializedEntry, TensorReadError> {
        Ok(self.state.compute_final(self.format()))
    }

    fn clear(&mut self) {
        self.state.reset();
        self.current = None;
    }

    fn name(&self) -> MetricName {
        self.name.clone()
    }

    fn attributes(&self) -> MetricAttributes {
        let unit = self.number.unit;
        NumericAttributes { unit: unit.map(str::to_owned), higher_is_better: unit.is_some() }.into()
    }
}

impl Numeric for Gauge {
    fn value(&self) -> Option<NumericEntry> {
        self.current.clone()
    }

    fn running_value(&self) -> Option<NumericEntry> {
        Some(self.state.running_value())
    }

    fn final_value(&self) -> NumericEntry {
        self.state.final_value()
    }
}

/// A store of metrics that keeps nothing. burn-train's own stores keep every value, in a file or in memory; the log of a run is
/// `trainer_state.json` here.
struct DiscardMetrics;

impl MetricLogger for DiscardMetrics {
    fn log(&mut self, _: MetricsUpdate, _: usize, _: &Split) {}

    fn read_numeric(&mut self, _: &str, _: usize, _: &Split) -> std::result::Result<Vec<NumericEntry>, String> {
        Ok(Vec::new())
    }

    fn log_metric_definition(&mut self, _: MetricDefinition) {}

    fn log_epoch_summary(&mut self, _: EpochSummary) {}
}

/// The console as a renderer of burn-train's.
struct ConsoleRenderer {
    console: Console,
    metrics: HashMap<MetricId, &'static Number>,
    /// The numbers of the current step.
    numbers: StepNumbers,
    evaluating: bool,
}

impl ConsoleRenderer {
    fn new(console: Console) -> Self {
        Self { console, metrics: HashMap::new(), numbers: StepNumbers::default(), evaluating: false }
    }
}

impl MetricsRenderer for ConsoleRenderer {
    fn manual_close(&mut self) {}

    fn register_metric(&mut self, definition: MetricDefinition) {
        if let Some(number) = NUMBERS.iter().find(|number| *number.name == *definition.name) {
            self.metrics.insert(definition.metric_id, number);
        }
    }
}

impl MetricsRendererTraining for ConsoleRenderer {
    fn update_train(&mut self, state: MetricState) {
        let MetricState::Numeric(entry, Some(value)) = state else { return };
        if let Some(number) = self.metrics.get(&entry.metric_id) {
            *(number.field)(&mut self.numbers) = Some(value.current());
        }
    }

    fn update_valid(&mut self, _: MetricState) {}

    fn on_train_end(&mut self, _: Option<LearnerSummary>) -> std::result::Result<(), Box<dyn StdError>> {
        Ok(())
    }
}

impl TrainingProgressLogger for ConsoleRenderer {
    fn start(&mut self, _: usize, _: usize, _: Option<usize>, _: Option<&str>) {}

    fn update_epoch(&mut self, _: usize) {}

    fn start_split(&mut self, split: &str, total_items: usize) {
        self.evaluating = split == "valid";
        if self.evaluating {
            self.console.start_evaluation(total_items);
        }
    }

    fn update_split(&mut self, items_processed: usize) {
        if self.evaluating {
            self.console.evaluation_batch(items_processed);
        } else {
            self.console.show(&std::mem::take(&mut self.numbers));
        }
    }

    fn end_split(&mut self) {
        if std::mem::take(&mut self.evaluating) {
            self.console.end_evaluation();
        }
    }

    fn end(&mut self) {
        self.console.close();
    }

    fn log_event_training(&mut self, _: String) {}
}

// burn-train asks every renderer for the events of its evaluator too, which is not used.
impl MetricsRendererEvaluation for ConsoleRenderer {
    fn update_test(&mut self, _: EvaluationName, _: MetricState) {}
}

impl EvaluationProgressLogger for ConsoleRenderer {
    fn start_global_progress(&mut self, _: usize) {}

    fn start_test(&mut self, _: &str, _: usize) {}

    fn update_test_progress(&mut self, _: usize) {}

    fn end_test(&mut self) {}

    fn end_global_progress(&mut self) {}

    fn log_event_evaluation(&mut self, _: String) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_metric_has_the_value_of_a_step_or_none() {
        let mut loss = Gauge::new(&NUMBERS[0]);
        let metadata = MetricMetadata { progress: Progress::new(1, 3, None), iteration: Some(1), lr: None };
        let update = |loss: &mut Gauge, value: Option<f64>| {
            loss.update(&StepNumbers { loss: value, ..Default::default() }, &metadata).unwrap();
            loss.value()
        };
        assert!(matches!(update(&mut loss, Some(1.0)), Some(NumericEntry::Value(1.0))));
        assert!(update(&mut loss, None).is_none());
        assert!(matches!(update(&mut loss, Some(4.0)), Some(NumericEntry::Value(4.0))));
    }
}
