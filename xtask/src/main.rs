//! Development tasks, run as `cargo xtask COMMAND`. A task that is more than one cargo call is written here in Rust, so that it
//! runs the same on every system. This file names the commands; each has a file of its own.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program writes to the terminal")]

mod arguments;
mod bench;
mod built;
mod ci;
mod commands;
mod cuda;
mod fixtures;
mod gpu_archive;
mod parity;
mod process;
mod result;
mod sanitize;
mod tidy;
mod vulkan;

use std::path::PathBuf;
use std::process::ExitCode;

use arguments::Arguments;
use result::Result;

const USAGE: &str = "\
usage: cargo xtask COMMAND

  ci                                        everything that CI runs, in order, stopping at the first failure
  tidy                                      the architecture invariants, as checks on the repository's files
  fixtures [--python PYTHON]                how the parity fixtures are made; with --python, make them
  parity --device NAME [--minilm DIR]       the parity tests on one backend: flex, ndarray, wgpu or cuda, there with --stand-in DIR
                                            as below; --binary FILE runs a test binary that was built elsewhere
  bench [--python PYTHON] [--only NAMES]    time and memory beside PyLate: train, train-full, train-bf16, encode, loss, and when
                                            named scaling and profile; docs/performance.md lists the other options
  bench --device cuda [--python PYTHON]     the same for training on a GPU
  gpu-archive --out DIR [--stand-in DIR]    an archive and a script for a machine with a GPU that has no network and no toolchain
  sanitize                                  the kernels' tests under AddressSanitizer
  cuda [--stand-in DIR]                     compile the CUDA backend; DIR holds a crate to use in cubecl-llvm's place";

enum Command {
    Help,
    Ci,
    Tidy,
    Fixtures { python: Option<PathBuf> },
    Parity(parity::Suite),
    Bench(Box<bench::Options>),
    GpuBench(Box<bench::gpu::Options>),
    GpuArchive(Box<gpu_archive::Options>),
    Sanitize,
    Cuda { stand_in: Option<PathBuf> },
}

impl Command {
    fn parse(mut arguments: Arguments) -> Result<Self> {
        let command = match arguments.command().as_deref() {
            None | Some("help" | "-h" | "--help") => return Ok(Self::Help),
            Some("ci") => Self::Ci,
            Some("tidy") => Self::Tidy,
            Some("fixtures") => Self::Fixtures { python: arguments.option("--python")?.map(PathBuf::from) },
            Some("parity") => Self::Parity(parity::Suite::parse(&mut arguments)?),
            Some("bench") => match arguments.option("--device")? {
                None => Self::Bench(Box::new(bench::Options::parse(&mut arguments)?)),
                Some(device) => Self::GpuBench(Box::new(bench::gpu::Options::parse(device, &mut arguments)?)),
            },
            Some("gpu-archive") => Self::GpuArchive(Box::new(gpu_archive::Options::parse(&mut arguments)?)),
            Some("sanitize") => Self::Sanitize,
            Some("cuda") => Self::Cuda { stand_in: arguments.option("--stand-in")?.map(PathBuf::from) },
            Some(other) => return Err(format!("unknown command `{other}`\n\n{USAGE}")),
        };
        arguments.finish()?;
        Ok(command)
    }

    fn run(self) -> Result<()> {
        match self {
            Self::Help => {
                println!("{USAGE}");
                Ok(())
            }
            Self::Ci => ci::run(),
            Self::Tidy => tidy::run(),
            Self::Fixtures { python } => fixtures::run(python.as_deref()),
            Self::Parity(suite) => suite.run().map(drop),
            Self::Bench(options) => bench::run(*options),
            Self::GpuBench(options) => bench::gpu::run(*options),
            Self::GpuArchive(options) => gpu_archive::run(&options),
            Self::Sanitize => sanitize::run(),
            Self::Cuda { stand_in } => cuda::run(stand_in.as_deref()),
        }
    }
}

fn main() -> ExitCode {
    match Command::parse(Arguments::from_env()).and_then(Command::run) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("error: {message}");
            ExitCode::FAILURE
        }
    }
}
