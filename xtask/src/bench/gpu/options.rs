//! The options of `cargo xtask bench --device cuda`.

use std::path::PathBuf;

use super::workload::{ALL, Workload};
use crate::arguments::Arguments;
use crate::bench::paths::absolute;
use crate::result::Result;

/// The command line, with its defaults.
#[derive(Debug)]
pub struct Options {
    /// The device's name, for both programs.
    pub device: String,
    pub workloads: Vec<Workload>,
    /// A Python with torch and PyLate. Without it colburn runs alone.
    pub python: Option<PathBuf>,
    /// A built binary. Without it one is built.
    pub binary: Option<PathBuf>,
    /// A crate in cubecl-llvm's place, for the build.
    pub stand_in: Option<PathBuf>,
    /// The folder of the models. Models that it lacks are made.
    pub models: Option<PathBuf>,
    pub triplets: PathBuf,
    /// Runs of each program.
    pub runs: usize,
    /// Steps of a run. The second half counts.
    pub steps: usize,
    /// The minutes after which no further run begins.
    pub minutes: Option<usize>,
    /// The file for all raw numbers.
    pub output: Option<PathBuf>,
}

impl Options {
    pub fn parse(device: String, arguments: &mut Arguments) -> Result<Self> {
        if device != "cuda" {
            return Err(format!(
                "--device {device}: the benchmark on a GPU runs on cuda; without --device it runs on the CPU"
            ));
        }
        let named = arguments.list("--only")?;
        let workloads = named.iter().map(|name| Workload::parse(name)).collect::<Result<Vec<_>>>()?;
        let path = |arguments: &mut Arguments, name: &str| -> Result<Option<PathBuf>> {
            Ok(arguments.option(name)?.map(|path| absolute(path.as_ref())))
        };
        let triplets = arguments.option("--triplets")?;
        let minutes = arguments.number("--minutes", 0, 1)?;
        Ok(Self {
            device,
            workloads: if workloads.is_empty() { ALL.to_vec() } else { workloads },
            // A program may be named without its folder.
            python: arguments.option("--python")?.map(PathBuf::from),
            binary: path(arguments, "--binary")?,
            stand_in: path(arguments, "--stand-in")?,
            models: path(arguments, "--models")?,
            triplets: absolute(triplets.as_deref().unwrap_or("examples/data/triplets-train.parquet").as_ref()),
            runs: arguments.number("--runs", 3, 1)?,
            steps: arguments.number("--steps", 40, 2)?,
            minutes: (minutes > 0).then_some(minutes),
            output: path(arguments, "--out")?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Options> {
        Options::parse("cuda".to_owned(), &mut Arguments::of(line))
    }

    #[test]
    fn without_options_all_workloads_run() {
        let options = parse("").unwrap();
        assert_eq!(options.workloads, ALL);
        assert_eq!((options.runs, options.steps, options.minutes), (3, 40, None));
        assert!(options.triplets.is_absolute());
    }

    #[test]
    fn options_are_read() {
        let options = parse("--only base-32-f32,first-step --minutes 7 --python python3 --binary bin/colburn").unwrap();
        assert_eq!(
            options.workloads.iter().map(|workload| workload.name).collect::<Vec<_>>(),
            ["base-32-f32", "first-step"]
        );
        assert_eq!((options.minutes, options.python), (Some(7), Some(PathBuf::from("python3"))));
        assert!(options.binary.unwrap().is_absolute());
        assert!(parse("--steps 1").is_err() && parse("--only train").is_err());
        assert!(Options::parse("wgpu".to_owned(), &mut Arguments::of("")).unwrap_err().contains("wgpu"));
    }
}
