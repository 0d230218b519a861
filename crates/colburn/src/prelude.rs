//! All that a training script names.

pub use burn::tensor::Device;
pub use colburn_data::{Dataset, Examples, KdProcessing, MultiDatasetSampling, Prompts, Sampling};
pub use colburn_eval::{
    Collection, DistillationEvaluator, Evaluator, InformationRetrievalEvaluator, NanoBeirEvaluator, Report,
    RerankingEvaluator, SequentialEvaluator, Table, TripletEvaluator,
};
pub use colburn_loss::{Contrastive, Distillation, Loss, MarginMse, MaskRule, Score};
pub use colburn_model::card::ModelCardData;
pub use colburn_model::{ColBert, ColBertConfig, ColBertOptions, EncodeOptions, Kind, TokenEmbeddings};
pub use colburn_ops::device::by_name as device_by_name;
pub use colburn_train::{
    Callback, EarlyStoppingCallback, IntervalStrategy, CallbackContext, ResumeFromCheckpoint, SaveStrategy, SchedulerType,
    TrainOutput, Trainer, TrainerControl, TrainingArguments,
};
