//! What a report says of a run beyond its arguments and its log.

/// What the trainer knows of a run before the first step.
#[derive(Clone, Debug, Default)]
pub(crate) struct RunFacts {
    /// Where the model came from: a folder or a name.
    pub model: String,
    /// Number of its parameters.
    pub parameters: usize,
    /// The losses; where there is one for each dataset, the dataset's name before it.
    pub loss: Vec<String>,
    /// What is trained on.
    pub train: Vec<DataFacts>,
    /// What the loss is computed on in evaluation.
    pub eval: Vec<DataFacts>,
    /// The metrics of the evaluators.
    pub evaluators: Vec<String>,
    /// The device that the model lies on.
    pub device: String,
}

/// A dataset.
#[derive(Clone, Debug, Default)]
pub(crate) struct DataFacts {
    /// The dataset's name among several; empty for the only one.
    pub name: String,
    /// What is in it, as [`Dataset::description`](colburn_data::Dataset::description) says.
    pub description: String,
    /// Number of its rows.
    pub rows: usize,
}
