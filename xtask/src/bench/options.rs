//! What `cargo xtask bench` is asked for.

use std::path::PathBuf;
use std::str::FromStr;

use super::sizes;
use crate::arguments::Arguments;
use crate::result::Result;

/// A work that is measured.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Work {
    Train,
    TrainFull,
    TrainBf16,
    Encode,
    Loss,
    Scaling,
    Profile,
}

/// The works of the table, in its order. The other two are about colburn alone and are run when named.
const TABLE: [Work; 5] = [Work::Train, Work::TrainFull, Work::TrainBf16, Work::Encode, Work::Loss];
/// All works, in the order in which they are run.
pub const ALL: [Work; 7] =
    [Work::Train, Work::TrainFull, Work::TrainBf16, Work::Encode, Work::Loss, Work::Scaling, Work::Profile];

impl Work {
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

impl FromStr for Work {
    type Err = String;

    fn from_str(name: &str) -> Result<Self> {
        let names = || ALL.map(Self::name).join(", ");
        ALL.into_iter()
            .find(|work| work.name() == name)
            .ok_or_else(|| format!("--only {name}: no such work; there are {}", names()))
    }
}

/// The command line, with its defaults.
#[derive(Debug)]
pub struct Options {
    pub works: Vec<Work>,
    /// A Python with PyLate; without it colburn runs alone.
    pub python: Option<PathBuf>,
    /// A built binary; without it one is built.
    pub colburn: Option<PathBuf>,
    /// A folder with the two small programs built; without it they are built.
    pub programs: Option<PathBuf>,
    /// The encoder that both start from.
    pub minilm: Option<PathBuf>,
    pub triplets: String,
    pub corpus: PathBuf,
    /// Runs of each program.
    pub runs: usize,
    /// Steps that count, and those before them that do not.
    pub steps: usize,
    pub warmup: usize,
    pub batch_size: usize,
    /// Documents to encode, at most.
    pub documents: usize,
    /// Queries of the loss alone.
    pub loss_batch: usize,
    /// Where all raw numbers go.
    pub output: Option<PathBuf>,
}

impl Options {
    pub fn parse(arguments: &mut Arguments) -> Result<Self> {
        let mut works = Vec::new();
        while let Some(names) = arguments.option("--only")? {
            for name in names.split(',') {
                works.push(name.parse()?);
            }
        }
        if works.is_empty() {
            works = TABLE.to_vec();
        }
        let text = |arguments: &mut Arguments, name: &str, default: &str| -> Result<String> {
            Ok(arguments.option(name)?.unwrap_or_else(|| default.to_owned()))
        };
        Ok(Self {
            works,
            python: arguments.option("--python")?.map(PathBuf::from),
            colburn: arguments.option("--colburn")?.map(PathBuf::from),
            programs: arguments.option("--programs")?.map(PathBuf::from),
            minilm: arguments.option("--minilm")?.map(PathBuf::from),
            triplets: text(arguments, "--triplets", "examples/data/triplets-train.parquet")?,
            corpus: text(arguments, "--corpus", "examples/data/nano/squad")?.into(),
            runs: number(arguments, "--runs", 3, 1)?,
            steps: number(arguments, "--steps", 6, 1)?,
            warmup: number(arguments, "--warmup", 2, 0)?,
            batch_size: number(arguments, "--batch-size", 16, 1)?,
            documents: number(arguments, "--documents", 2000, 1)?,
            loss_batch: number(arguments, "--loss-batch", 256, 1)?,
            output: arguments.option("--output")?.map(PathBuf::from),
        })
    }

    /// The rows of the longest run.
    pub fn rows_needed(&self) -> usize {
        let table = self.batch_size * (self.warmup + self.steps);
        if self.wants(Work::Scaling) { table.max(sizes::MOST_ROWS) } else { table }
    }

    pub fn wants(&self, work: Work) -> bool {
        self.works.contains(&work)
    }

    /// Whether anything is trained on rows of the data.
    pub fn needs_rows(&self) -> bool {
        self.works.iter().any(|work| !matches!(work, Work::Encode | Work::Loss))
    }
}

fn number(arguments: &mut Arguments, name: &str, default: usize, least: usize) -> Result<usize> {
    let Some(text) = arguments.option(name)? else { return Ok(default) };
    let value = text.parse().ok().filter(|&value| value >= least);
    value.ok_or_else(|| format!("{name} {text}: a whole number from {least} is needed"))
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
        assert_eq!(options.works, TABLE);
        assert_eq!((options.runs, options.batch_size, options.documents), (3, 16, 2000));
        assert!(!options.wants(Work::Scaling) && options.needs_rows());
    }

    #[test]
    fn works_are_named_one_by_one_or_with_commas() {
        let options = parse("--only encode,loss --only profile").unwrap();
        assert_eq!(options.works, [Work::Encode, Work::Loss, Work::Profile]);
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
