//! An optimizer of your own: plain SGD with sign updates (signSGD), walking the parameters of the model by Burn's `ModuleMapper`.
//!
//! Burn's own optimizers work as they are: `Trainer::optimizer(burn::optim::SgdConfig::new().init())`.

#![expect(clippy::print_stdout, reason = "a program writes to the terminal")]

use std::path::Path;

use colburn::burn::module::{Module, ModuleMapper, Param};
use colburn::burn::optim::GradientsParams;
use colburn::prelude::*;

/// Moves every weight by the learning rate against the sign of its gradient. It has no state.
struct SignSgd;

struct Step {
    gradients: GradientsParams,
    learning_rate: f64,
}

impl ModuleMapper for Step {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let Some(gradient) = self.gradients.remove::<D>(param.id) else { return param };
        let (id, weight, mapper) = param.consume();
        let updated = weight.inner() - gradient.sign() * self.learning_rate;
        Param::from_mapped_value(id, updated.autodiff().require_grad(), mapper)
    }
}

impl Optimizer for SignSgd {
    fn name(&self) -> &str {
        "sign_sgd"
    }

    fn step(&mut self, model: ColBert, gradients: GradientsParams, learning_rate: f64) -> ColBert {
        model.map(&mut Step { gradients, learning_rate })
    }

    fn save(&self, _: &ColBert, path: &Path) -> colburn::train::Result<()> {
        std::fs::write(path, self.name()).map_err(colburn::train::Error::other)
    }

    fn load(&mut self, _: &ColBert, path: &Path) -> colburn::train::Result<()> {
        let name = std::fs::read_to_string(path).map_err(colburn::train::Error::other)?;
        if name != self.name() {
            let message = format!("{}: the state of {name:?}, not of {:?}", path.display(), self.name());
            return Err(colburn::train::Error::other(message));
        }
        Ok(())
    }
}

fn main() -> colburn::Result<()> {
    let device = device_by_name(None)?;
    let model = ColBert::from_config("examples/data/bert-small", &ColBertOptions::default(), &device)?;
    let train = Dataset::load("examples/data/triplets-train.parquet")?;
    let args = TrainingArguments {
        output_dir: "output/custom-optimizer".into(),
        max_steps: 10,
        per_device_train_batch_size: 8,
        learning_rate: 1e-4,
        logging_steps: 2.0,
        ..Default::default()
    };
    let trainer = Trainer::new(model, Contrastive::default(), args).train_dataset(train).optimizer(SignSgd);
    let trained = trainer.train()?;
    println!("mean loss of {} steps: {:.4}", trained.global_step, trained.training_loss);
    Ok(())
}
