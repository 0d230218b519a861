//! The numbers of a step as burn-train's metrics, and where burn-train keeps them.

use std::collections::HashMap;
use std::sync::Arc;

use burn::tensor::TensorReadError;
use burn::train::logger::MetricLogger;
use burn::train::metric::state::{FormatOptions, NumericMetricState};
use burn::train::metric::store::{EpochSummary, MetricsUpdate, Split};
use burn::train::metric::{
    Metric, MetricAttributes, MetricDefinition, MetricId, MetricMetadata, MetricName, Numeric, NumericAttributes,
    NumericEntry, SerializedEntry,
};

/// The numbers of an optimizer step; of an evaluation batch, its loss.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct StepReport {
    /// The mean over the micro-batches of the step.
    pub loss: Option<f64>,
    /// The learning rate used.
    pub learning_rate: Option<f64>,
    /// The global gradient norm before clipping.
    pub grad_norm: Option<f64>,
    /// Rows of the training data.
    pub triplets_per_second: Option<f64>,
    /// Tokens of queries and documents, without any padding.
    pub tokens_per_second: Option<f64>,
}

/// One number of the report as a metric. A report without that number leaves the metric as it was.
#[derive(Clone)]
pub(crate) struct Gauge {
    name: MetricName,
    unit: Option<&'static str>,
    read: fn(&StepReport) -> Option<f64>,
    state: NumericMetricState,
    current: Option<NumericEntry>,
}

/// The names of the metrics.
pub(crate) mod names {
    pub const LOSS: &str = "Loss";
    pub const LEARNING_RATE: &str = "Learning Rate";
    pub const GRADIENT_NORM: &str = "Gradient Norm";
    pub const TRIPLETS: &str = "Triplets per Second";
    pub const TOKENS: &str = "Tokens per Second";
}

impl Gauge {
    pub fn loss() -> Self {
        Self::new(names::LOSS, None, |report| report.loss)
    }

    pub fn learning_rate() -> Self {
        Self::new(names::LEARNING_RATE, None, |report| report.learning_rate)
    }

    pub fn grad_norm() -> Self {
        Self::new(names::GRADIENT_NORM, None, |report| report.grad_norm)
    }

    pub fn triplets() -> Self {
        Self::new(names::TRIPLETS, Some("triplets/s"), |report| report.triplets_per_second)
    }

    pub fn tokens() -> Self {
        Self::new(names::TOKENS, Some("tokens/s"), |report| report.tokens_per_second)
    }

    fn new(name: &str, unit: Option<&'static str>, read: fn(&StepReport) -> Option<f64>) -> Self {
        Self { name: Arc::new(name.to_owned()), unit, read, state: NumericMetricState::new(), current: None }
    }

    fn format(&self) -> FormatOptions {
        let format = FormatOptions::new(self.name.clone()).precision(4);
        match self.unit {
            Some(unit) => format.unit(unit),
            None => format,
        }
    }
}

impl Metric for Gauge {
    type Input = StepReport;

    fn update(&mut self, report: &StepReport, _: &MetricMetadata) -> Result<SerializedEntry, TensorReadError> {
        let Some(value) = (self.read)(report) else {
            self.current = None;
            return Ok(SerializedEntry::not_available(self.unit));
        };
        self.state.update(value, 1);
        self.current = Some(NumericEntry::Value(value));
        Ok(self.state.compute_update(self.format()))
    }

    fn compute(&mut self) -> Result<SerializedEntry, TensorReadError> {
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
        NumericAttributes { unit: self.unit.map(str::to_owned), higher_is_better: self.unit.is_some() }.into()
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

/// burn-train's store of metrics, kept as one mean for each metric, epoch and split. burn-train's own stores keep every value, in a file or
/// in memory; the log of a run is `trainer_state.json` here.
#[derive(Default)]
pub(crate) struct Means {
    names: HashMap<MetricId, String>,
    means: HashMap<(String, usize, Split), (f64, usize)>,
}

impl MetricLogger for Means {
    fn log(&mut self, update: MetricsUpdate, epoch: usize, split: &Split) {
        for metric in update.entries_numeric {
            let Some(name) = self.names.get(&metric.entry.metric_id) else { continue };
            if let Some(NumericEntry::Value(value)) = metric.numeric_entry {
                let (sum, count) = self.means.entry((name.clone(), epoch, split.clone())).or_default();
                *sum += value;
                *count += 1;
            }
        }
    }

    fn read_numeric(&mut self, name: &str, epoch: usize, split: &Split) -> Result<Vec<NumericEntry>, String> {
        let mean = self.means.get(&(name.to_owned(), epoch, split.clone()));
        Ok(mean
            .map(|&(sum, count)| NumericEntry::Aggregated { aggregated_value: sum / count as f64, count })
            .into_iter()
            .collect())
    }

    fn log_metric_definition(&mut self, definition: MetricDefinition) {
        self.names.insert(definition.metric_id, definition.name.to_string());
    }

    fn log_epoch_summary(&mut self, _: EpochSummary) {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::data::dataloader::Progress;
    use burn::train::metric::MetricEntry;
    use burn::train::metric::store::NumericMetricUpdate;

    #[test]
    fn a_store_of_means() {
        let mut gauge = Gauge::loss();
        let id = MetricId::new(gauge.name());
        let mut means = Means::default();
        means.log_metric_definition(MetricDefinition::new(id.clone(), &gauge));
        let metadata = MetricMetadata { progress: Progress::new(1, 3, None), iteration: Some(1), lr: None };
        for loss in [Some(1.0), None, Some(4.0)] {
            let entry = gauge.update(&StepReport { loss, ..Default::default() }, &metadata).unwrap();
            let entry = MetricEntry::new(id.clone(), entry);
            let update = NumericMetricUpdate::new(entry, gauge.value(), gauge.running_value());
            means.log(MetricsUpdate::new(Vec::new(), vec![update]), 1, &Split::Train);
        }
        let read = means.read_numeric(names::LOSS, 1, &Split::Train).unwrap();
        assert!(matches!(read[..], [NumericEntry::Aggregated { aggregated_value: 2.5, count: 2 }]));
        assert!(means.read_numeric(names::LOSS, 2, &Split::Train).unwrap().is_empty());
    }
}
