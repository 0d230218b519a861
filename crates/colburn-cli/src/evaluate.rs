//! `colburn evaluate`: a model and triplets in, metrics out.

use colburn::data::Dataset;
use colburn::eval::{Evaluator, TripletEvaluator};
use colburn::model::{ColBert, write_atomic};
use colburn::ops::device::by_name;

use crate::command_line::EvaluateArguments;
use crate::{Outcome, Result, output};

pub fn run(arguments: &EvaluateArguments) -> Result<Outcome> {
    let device = by_name(arguments.device.name.as_deref())?;
    output::prepare(&arguments.output)?;
    let triplets = Dataset::load(&arguments.triplets)?;
    let evaluator = TripletEvaluator::new(&triplets)?.batch_size(arguments.batch_size.get());
    let model = ColBert::from_pretrained(&arguments.model, &device)?;
    let report = evaluator.evaluate(&model)?;

    let results = serde_json::Value::Object(report.to_json());
    write_atomic(&arguments.output, format!("{results:#}\n").as_bytes())?;
    for (name, value) in &report.metrics {
        output::say(&format!("{name} {value:.4}"));
    }
    Ok(Outcome::Done)
}
