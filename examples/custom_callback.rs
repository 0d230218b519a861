//! A callback of your own: it encodes a probe text at each log, and ends the run once the loss is low enough. It sees the arguments, the
//! state and the model, asks for actions through `TrainerControl`, and keeps its own state over a resume.

#![expect(clippy::print_stdout, reason = "a program writes to the terminal")]

use colburn::prelude::*;
use serde_json::{Value, json};

/// Ends the run when the logged loss is below a limit.
struct GoodEnough {
    limit: f64,
    logs: u64,
}

impl Callback for GoodEnough {
    fn name(&self) -> String {
        "GoodEnough".to_owned()
    }

    fn on_log(
        &mut self,
        context: CallbackContext<'_>,
        control: &mut TrainerControl,
        log: &LogEntry,
    ) -> colburn::train::Result<()> {
        self.logs += 1;
        let probe = context.model.encode(&["a probe"], Kind::Query, &EncodeOptions::default())?;
        println!("step {}: log {}, {} tokens of the probe", context.state.global_step, self.logs, probe[0].tokens());
        let loss = log.get("loss").and_then(Value::as_f64);
        control.should_training_stop |= loss.is_some_and(|loss| loss < self.limit);
        Ok(())
    }

    fn state(&self) -> Option<Value> {
        Some(json!({ "logs": self.logs }))
    }

    fn load_state(&mut self, state: &Value) -> colburn::train::Result<()> {
        self.logs = state["logs"].as_u64().ok_or_else(|| colburn::train::Error::other("GoodEnough: no `logs`"))?;
        Ok(())
    }
}

fn main() -> colburn::Result<()> {
    let device = device_by_name(None)?;
    let model = ColBert::from_config("examples/data/bert-small", &ColBertOptions::default(), &device)?;
    let train = Dataset::load("examples/data/triplets-train.parquet")?;
    let args = TrainingArguments {
        output_dir: "output/custom-callback".into(),
        max_steps: 10,
        per_device_train_batch_size: 8,
        learning_rate: 1e-3,
        logging_steps: 2.0,
        ..Default::default()
    };
    let trainer = Trainer::new(model, Contrastive::default(), args).train_dataset(train);
    let trained = trainer.callback(GoodEnough { limit: 0.5, logs: 0 }).train()?;
    println!("stopped after step {}", trained.global_step);
    Ok(())
}
