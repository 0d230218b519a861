//! The names of a training script, and those that a loss, an evaluator, a callback, a reporter, an optimizer or a scheduler of a user's own needs.
//!
//! Each crate has its own `Result` and `Error`, which are not here: `colburn::loss::Result`, `colburn::train::Error` and so on.

pub use burn::tensor::{Device, Tensor};
pub use colburn_data::{Dataset, Examples, KdProcessing, MultiDatasetSampling, Prompts, Sampling};
pub use colburn_eval::{
    Collection, DistillationEvaluator, Evaluator, InformationRetrievalEvaluator, NanoBeirEvaluator, Progress, Report,
    RerankingEvaluator, SequentialEvaluator, Table, TripletEvaluator,
};
#[cfg(feature = "hub")]
pub use colburn_hub::Hub;
pub use colburn_loss::{Contrastive, Distillation, Loss, MarginMse, MaskRule, Score, Targets};
pub use colburn_model::card::ModelCardData;
pub use colburn_model::{ColBert, ColBertConfig, ColBertOptions, EncodeOptions, Kind, TokenEmbeddings};
pub use colburn_ops::device::by_name as device_by_name;
pub use colburn_ops::{Embeddings, Precision, Spans};
pub use colburn_report::{Ending, Reporter, RunContext, RunInfo};
pub use colburn_search::{ExactSearch, Floor, Index, IndexOptions, Packed, SearchOptions, rerank, search};
pub use colburn_train::{
    AdamW, Callback, CallbackContext, EarlyStoppingCallback, HubStrategy, IntervalStrategy, LearningRate, LogEntry,
    Optimizer, Ranks, ReportTo, ReporterKind, ResumeFromCheckpoint, SaveStrategy, SchedulerType, TrainOutput, Trainer,
    TrainerControl, TrainerState, TrainingArguments,
};
