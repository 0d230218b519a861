//! ColBERT training and retrieval in Rust on Burn: PyLate's job, without Python, on any GPU that Burn reaches.
//!
//! This crate gathers the others under one name; each of them can be used alone. A training script begins with
//! `use colburn::prelude::*;`:
//!
//! ```no_run
//! use colburn::prelude::*;
//!
//! fn main() -> colburn::Result<()> {
//!     let device = device_by_name(None)?;
//!     let model = ColBert::from_pretrained("models/bert-base-uncased", &device)?;
//!     let (train, eval) = Dataset::load("triplets.parquet")?.train_test_split(0.01, 42)?;
//!     let args = TrainingArguments {
//!         output_dir: "output/contrastive".into(),
//!         num_train_epochs: 1.0,
//!         eval_strategy: IntervalStrategy::Epoch,
//!         eval_on_start: true,
//!         ..Default::default()
//!     };
//!     Trainer::new(model, Contrastive::default(), args)
//!         .train_dataset(train)
//!         .evaluator(TripletEvaluator::new(&eval)?)
//!         .eval_dataset(eval)
//!         .train()?;
//!     Ok(())
//! }
//! ```
//!
//! The prelude also has the traits `Loss`, `Evaluator`, `Callback`, `Reporter`, `Optimizer` and `LearningRate` with all that an
//! implementation needs, and [`burn`] is re-exported, so that no second version of it can get in. `examples/custom_*.rs` implement one each.
//!
//! # Backends
//! The features `flex` (default), `ndarray`, `wgpu` and `cuda` compile Burn's backends in; the device decides at run time which one
//! computes.

pub use burn;
pub use colburn_data as data;
pub use colburn_eval as eval;
#[cfg(feature = "hub")]
pub use colburn_hub as hub;
pub use colburn_loss as loss;
pub use colburn_model as model;
pub use colburn_ops as ops;
pub use colburn_report as report;
pub use colburn_search as search;
pub use colburn_train as train;

mod error;
pub mod prelude;

pub use error::{Error, Result};
