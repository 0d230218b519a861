//! The workloads of the benchmark on a GPU.

use crate::bench::job::Precision;
use crate::result::Result;

/// The number that is measured.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Measured {
    /// The time of a step.
    Throughput,
    /// The time from the start of a process to the end of its first step.
    FirstStep,
}

/// A model and a batch.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Workload {
    pub name: &'static str,
    pub measured: Measured,
    /// The folder of the model in the folder of models.
    pub model: &'static str,
    pub batch_size: usize,
    pub precision: Precision,
}

/// All workloads, in the order of the table.
pub const ALL: [Workload; 6] = [
    throughput("base-32-bf16", "bert-base", 32, Precision::Bf16),
    throughput("base-128-bf16", "bert-base", 128, Precision::Bf16),
    throughput("minilm-32-bf16", "minilm", 32, Precision::Bf16),
    throughput("base-32-f32", "bert-base", 32, Precision::F32),
    throughput("base-32-tf32", "bert-base", 32, Precision::Tf32),
    FIRST_STEP,
];

/// The workload of [`Measured::FirstStep`].
pub const FIRST_STEP: Workload =
    Workload { measured: Measured::FirstStep, ..throughput("first-step", "bert-base", 32, Precision::Bf16) };

const fn throughput(name: &'static str, model: &'static str, batch_size: usize, precision: Precision) -> Workload {
    Workload { name, measured: Measured::Throughput, model, batch_size, precision }
}

impl Workload {
    pub fn parse(name: &str) -> Result<Self> {
        let names = || ALL.map(|workload| workload.name).join(", ");
        ALL.into_iter()
            .find(|workload| workload.name == name)
            .ok_or_else(|| format!("--only {name}: no such workload on a GPU; there are {}", names()))
    }

    /// The fastest way of PyLate to train in the precision. The kernels of late-interaction-kernels multiply f32 in 10 bits, which is not f32.
    pub fn pylate_mode(&self) -> &'static str {
        match self.precision {
            Precision::F32 => "f32",
            Precision::Tf32 => "tf32-lik",
            Precision::Bf16 => "bf16-lik",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workloads_have_names() {
        for workload in ALL {
            assert_eq!(Workload::parse(workload.name), Ok(workload));
        }
        let error = Workload::parse("train").unwrap_err();
        assert!(error.contains("train") && error.contains("base-128-bf16"), "{error}");
    }
}
