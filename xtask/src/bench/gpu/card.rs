//! The card: its name, and its rates of matrix products in each precision, measured through torch. A floor is as good as its rate.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use super::options::Options;
use crate::bench::floor::Rate;
use crate::bench::job::Precision;
use crate::bench::machine;
use crate::bench::paths::Folder;
use crate::bench::python::{Python, words};
use crate::result::Result;

/// The report of `xtask/gpu/measure_card.py`; null without Python.
pub struct Card {
    pub report: Value,
}

impl Card {
    pub fn measure(options: &Options, python: Option<&Python>, folder: &Folder) -> Result<Self> {
        let Some(python) = python else { return Ok(Self { report: Value::Null }) };
        let arguments = words(&[("--device", options.device.clone())]);
        let (report, _) = python.run("rates of matrix products", "measure_card.py", &arguments, folder)?;
        Ok(Self { report })
    }

    /// The rate of matrix products, if it was measured.
    pub fn rate(&self, precision: Precision) -> Option<Rate> {
        let gflops = 1e3 * self.report["tflops"][name(precision)].as_f64()?;
        Some(Rate { best: gflops, median: gflops })
    }

    /// Facts by name, for a reader of the table.
    pub fn facts(&self, colburn: &Path, load: Option<f64>) -> Vec<(&'static str, String)> {
        let mut query = Command::new("nvidia-smi");
        query.args(["--query-gpu=name,driver_version,memory.total", "--format=csv,noheader"]);
        let mut facts = machine::common(colburn, load);
        facts.insert(0, ("card", machine::first_line(&mut query)));
        let rates = [Precision::Bf16, Precision::Tf32, Precision::F32].map(|precision| {
            let rate = self.rate(precision)?;
            Some(format!("{} {:.0}", name(precision), rate.median / 1e3))
        });
        let rates: Vec<String> = rates.into_iter().flatten().collect();
        if !rates.is_empty() {
            facts.push(("matrix products through torch, TFLOP/s", rates.join(", ")));
        }
        for name in ["torch", "cuda", "pylate", "transformers", "late-interaction-kernels", "python"] {
            if let Some(version) = self.report[name].as_str() {
                facts.push((name, version.to_owned()));
            }
        }
        facts
    }
}

fn name(precision: Precision) -> &'static str {
    match precision {
        Precision::F32 => "f32",
        Precision::Tf32 => "tf32",
        Precision::Bf16 => "bf16",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_belongs_to_a_precision() {
        let card = Card { report: serde_json::json!({"tflops": {"f32": 40.5, "bf16": 780.0}}) };
        assert_eq!(card.rate(Precision::Bf16).map(|rate| rate.seconds(780e12)), Some(1.0));
        assert_eq!(card.rate(Precision::F32).map(|rate| rate.median), Some(40_500.0));
        assert_eq!(card.rate(Precision::Tf32), None);
        assert_eq!(Card { report: Value::Null }.rate(Precision::F32), None);
    }
}
