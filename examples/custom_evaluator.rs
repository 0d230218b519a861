//! An evaluator of your own: the mean margin between the scores of positives and negatives. The trainer runs it beside the others, and it
//! can choose the best model.

#![expect(clippy::print_stdout, reason = "a program writes to the terminal")]

use colburn::prelude::*;

/// The mean of MaxSim(query, positive) - MaxSim(query, negative).
struct MeanMargin {
    triplets: Vec<[String; 3]>,
}

impl Evaluator for MeanMargin {
    fn name(&self) -> String {
        "mean_margin".to_owned()
    }

    fn metrics(&self) -> Vec<String> {
        vec![self.name()]
    }

    fn primary_metric(&self) -> Option<String> {
        Some(self.name())
    }

    fn evaluate_with(&self, model: &ColBert, progress: &mut dyn FnMut(&Progress<'_>)) -> colburn::eval::Result<Report> {
        let total = self.triplets.len();
        let options = EncodeOptions::default();
        let mut sum = 0.0;
        for (done, [query, positive, negative]) in self.triplets.iter().enumerate() {
            let query = model.encode(&[query], Kind::Query, &options)?;
            let documents = model.encode(&[positive, negative], Kind::Document, &options)?;
            sum += maxsim(&query[0], &documents[0]) - maxsim(&query[0], &documents[1]);
            progress(&Progress { what: "margins", done: done + 1, total });
        }
        let margin = sum / total.max(1) as f64;
        if !margin.is_finite() {
            return Err(colburn::eval::Error::other(format!("the mean margin is {margin}: does the model hold NaN?")));
        }
        Ok(Report { metrics: vec![(self.name(), margin)], primary: Some(self.name()) })
    }
}

/// The best product of each query token with any document token, summed.
fn maxsim(query: &TokenEmbeddings, document: &TokenEmbeddings) -> f64 {
    let product = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(a * b)).sum::<f64>();
    let best = |token: &[f32]| {
        document.values.chunks(document.dim).map(|other| product(token, other)).fold(f64::MIN, f64::max)
    };
    query.values.chunks(query.dim).map(best).sum()
}

fn main() -> colburn::Result<()> {
    let device = device_by_name(None)?;
    let model = ColBert::from_config("examples/data/bert-small", &ColBertOptions::default(), &device)?;
    let train = Dataset::load("examples/data/triplets-train.parquet")?;
    let held_out = Dataset::load("examples/data/triplets-test.parquet")?;
    let text = |row: usize, column: usize| held_out.text(row, column).map(str::to_owned);
    let triplets = (0..16).map(|row| Ok([text(row, 0)?, text(row, 1)?, text(row, 2)?]));
    let evaluator = MeanMargin { triplets: triplets.collect::<colburn::data::Result<_>>()? };
    let args = TrainingArguments {
        output_dir: "output/custom-evaluator".into(),
        max_steps: 10,
        per_device_train_batch_size: 8,
        learning_rate: 1e-3,
        eval_strategy: IntervalStrategy::Steps,
        eval_steps: Some(5.0),
        save_steps: 5.0,
        metric_for_best_model: Some("mean_margin".into()),
        load_best_model_at_end: true,
        ..Default::default()
    };
    let trainer = Trainer::new(model, Contrastive::default(), args).train_dataset(train).evaluator(evaluator);
    let trained = trainer.train()?;
    println!("best mean margin: {:?}, at step {:?}", trained.state.best_metric, trained.state.best_global_step);
    Ok(())
}
