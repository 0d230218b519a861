//! The options of `cargo xtask bench`.

use std::path::PathBuf;
use std::str::FromStr;

use super::sizes;
use crate::arguments::Arguments;
use crate::result::Result;

/// A workload that is measured.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Workload {
    Train,
    TrainFull,
    TrainBf16,
    Encode,
    Loss,
    Scaling,
    Profile,
}

/// The workloads of the table, in its order. The other two measure colburn alone and run only if named.
const TABLE: [Workload; 5] =
    [Workload::Train, Workload::TrainFull, Workload::TrainBf16, Workload::Encode, Workload::Loss];
/// All workloads, in the order in which they run.
pub const ALL: [Workload; 7] = [
    Workload::Train,
    Workload::TrainFull,
    Workload::TrainBf16,
    Workload::Encode,
    Workload::Loss,
    Workload::Scaling,
    Workload::Profile,
];

impl Workload {
    pub fn name(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::TrainFull => "train-full",
            Self::TrainBf16 => "train-bf16",
            Self::Encode => "encode",
            Self::Loss => "loss",
            Self::Scaling => "scaling",
            Self::Profile => "profile",
        }
    }
}

impl FromStr for Workload {
    type Err = String;

    fn from_str(name: &str) -> Result<Self> {
        let names = || ALL.map(Self::name).join(", ");
        ALL.into_iter()
            .find(|workload| workload.name() == name)
            .ok_or_else(|| format!("--only {name}: no such workload; there are {}", names()))
    }
}

/// The command line, with its defaults.
#[derive(Debug)]
pub struct Options {
    pub workloads: Vec<Workload>,
    /// A Python with PyLate. Without it colburn runs alone.
    pub python: Option<PathBuf>,
    /// A built binary. Without it one is built.
    pub colburn: Option<PathBuf>,
    /// A folder with the two small programs. Without it they are built.
    pub programs: Option<PathBuf>,
    /// The encoder that both programs start from.
    pub minilm: Option<PathBuf>,
    pub triplets: String,
    pub corpus: PathBuf,
    /// Runs of each program.
    pub runs: usize,
    /// Steps that count; `warmup` steps before them do not.
    pub steps: usize,
    pub warmup: usize,
    pub batch_size: usize,
    /// Documents to encode, at most.
    pub documents: usize,
    /// Queries of the loss alone.
    pub loss_batch: usize,
    /// The file for all raw numbers.
    pub output: Option<PathBuf>,
}

impl Options {
    pub fn parse(arguments: &mut Arguments) -> Result<Self> {
        let named = arguments.list("--only")?;
        let mut workloads = named.iter().map(|name| name.parse()).collect::<Result<Vec<Workload>>>()?;
        if workloads.is_empty() {
            workloads = TABLE.to_vec();
        }
        let text = |arguments: &mut Arguments, name: &str, default: &str| -> Result<String> {
            Ok(arguments.option(name)?.unwrap_or_else(|| default.to_owned()))
        };
        Ok(Self {
            workloads,
            python: arguments.option("--python")?.map(PathBuf::from),
            colburn: arguments.option("--colburn")?.map(PathBuf::from),
            programs: arguments.option("--programs")?.map(PathBuf::from),
            minilm: arguments.option("--minilm")?.map(PathBuf::from),
            triplets: text(arguments, "--triplets", "examples/data/triplets-train.parquet")?,
            corpus: text(arguments, "--corpus", "examples/data/nano/squad")?.into(),
            runs: arguments.number("--runs", 3, 1)?,
            steps: arguments.number("--steps", 6, 1)?,
            warmup: arguments.number("--warmup", 2, 0)?,
            batch_size: arguments.number("--batch-size", 16, 1)?,
            documents: arguments.number("--documents", 2000, 1)?,
            loss_batch: arguments.number("--loss-batch", 256, 1)?,
            output: arguments.option("--output")?.map(PathBuf::from),
        })
    }

    /// The rows of the longest run.
    pub fn rows_needed(&self) -> usize {
        let table = self.batch_size * (self.warmup + self.steps);
        if self.wants(Workload::Scaling) { table.max(sizes::MOST_ROWS) } else { table }
    }

    pub fn wants(&self, workload: Workload) -> bool {
        self.workloads.contains(&workload)
    }

    /// True if a workload trains on rows of the data.
    pub fn needs_rows(&self) -> bool {
        self.workloads.iter().any(|workload| !matches!(workload, Workload::Encode | Workload::Loss))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Options> {
        Options::parse(&mut Arguments::of(line))
    }

    #[test]
    fn without_names_the_works_of_the_table_run() {
        let options = parse("").unwrap();
        assert_eq!(options.workloads, TABLE);
        assert_eq!((options.runs, options.batch_size, options.documents), (3, 16, 2000));
        assert!(!options.wants(Workload::Scaling) && options.needs_rows());
    }

    #[test]
    fn works_are_named_one_by_one_or_with_commas() {
        let options = parse("--only encode,loss --only profile").unwrap();
        assert_eq!(options.workloads, [Workload::Encode, Workload::Loss, Workload::Profile]);
        assert!(!parse("--only encode,loss").unwrap().needs_rows());
        let error = parse("--only speed").unwrap_err();
        assert!(error.contains("speed") && error.contains("train-full"), "{error}");
    }

    #[test]
    fn a_number_that_makes_no_sense_is_an_error() {
        for line in ["--runs 0", "--steps many", "--warmup -1"] {
            assert!(parse(line).is_err(), "{line}");
        }
        assert_eq!(parse("--warmup 0").unwrap().warmup, 0);
    }
}
