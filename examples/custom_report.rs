//! A report of your own: a Markdown table of the logged losses, written beside the model. A reporter only records; its errors never end a
//! run that has begun.

#![expect(clippy::print_stdout, reason = "a program writes to the terminal")]

use std::fmt::Write as _;

use colburn::prelude::*;
use serde_json::Value;

/// Writes `losses.md` into the output folder at the end of the run.
struct MarkdownTable {
    rows: Vec<(u64, f64)>,
}

impl Reporter for MarkdownTable {
    fn name(&self) -> String {
        "markdown_table".to_owned()
    }

    fn log(&mut self, run: RunContext<'_>, entry: &LogEntry) -> colburn::report::Result<()> {
        if let Some(loss) = entry.get("loss").and_then(Value::as_f64) {
            self.rows.push((run.state.global_step as u64, loss));
        }
        Ok(())
    }

    fn end(&mut self, run: RunContext<'_>, ending: Ending) -> colburn::report::Result<()> {
        let mut table = format!("# {} ({ending:?})\n\n| step | loss |\n| ---: | ---: |\n", run.info.name());
        for (step, loss) in &self.rows {
            let _ = writeln!(table, "| {step} | {loss:.4} |");
        }
        let failed = |message| colburn::report::Error::Reporter { name: self.name(), message };
        std::fs::write(run.info.output_dir.join("losses.md"), table).map_err(|error| failed(error.to_string()))
    }

    /// The rows go into every checkpoint, so that the table of a resumed run is complete.
    fn state(&self) -> Option<Value> {
        serde_json::to_value(&self.rows).ok()
    }

    fn load_state(&mut self, state: &Value) {
        self.rows = serde_json::from_value(state.clone()).unwrap_or_default();
    }
}

fn main() -> colburn::Result<()> {
    let device = device_by_name(None)?;
    let model = ColBert::from_config("examples/data/bert-small", &ColBertOptions::default(), &device)?;
    let train = Dataset::load("examples/data/triplets-train.parquet")?;
    let args = TrainingArguments {
        output_dir: "output/custom-report".into(),
        max_steps: 10,
        per_device_train_batch_size: 8,
        learning_rate: 1e-3,
        logging_steps: 2.0,
        ..Default::default()
    };
    let trainer = Trainer::new(model, Contrastive::default(), args).train_dataset(train);
    trainer.reporter(MarkdownTable { rows: Vec::new() }).train()?;
    print!("{}", std::fs::read_to_string("output/custom-report/losses.md").map_err(colburn::Error::other)?);
    Ok(())
}
