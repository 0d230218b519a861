//! `cargo xtask parity`: the parity suite (`tests/parity`) on one backend. The backend is a feature of the build and the device
//! a value of the run, so each backend is a build of its own. A test binary that was built elsewhere runs without cargo.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::str::FromStr;
use std::time::Duration;

use crate::arguments::Arguments;
use crate::process::{self, cargo, repository};
use crate::result::Result;
use crate::{cuda, vulkan};

/// The backends that the parity suite runs on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Device {
    Flex,
    Ndarray,
    Wgpu,
    Cuda,
}

impl Device {
    const ALL: [Self; 4] = [Self::Flex, Self::Ndarray, Self::Wgpu, Self::Cuda];

    fn name(self) -> &'static str {
        match self {
            Self::Flex => "flex",
            Self::Ndarray => "ndarray",
            Self::Wgpu => "wgpu",
            Self::Cuda => "cuda",
        }
    }
}

impl FromStr for Device {
    type Err = String;

    fn from_str(name: &str) -> Result<Self> {
        let found = Self::ALL.into_iter().find(|device| device.name() == name);
        found.ok_or_else(|| {
            format!("unknown device `{name}` for the parity tests: {}", Self::ALL.map(Self::name).join(", "))
        })
    }
}

/// The arguments of the suite's build: the whole workspace with one more backend, so that what the other tests built serves here
/// too.
pub fn build(device: Device) -> [&'static str; 7] {
    ["test", "--release", "--workspace", "--features", device.name(), "--test", "parity"]
}

/// The command line.
#[derive(Debug, PartialEq)]
pub struct Suite {
    device: Device,
    /// The full-size model that is compared too.
    minilm: Option<PathBuf>,
    /// A crate in cubecl-llvm's place.
    stand_in: Option<PathBuf>,
    /// A built test binary. Without it one is built.
    binary: Option<PathBuf>,
    /// More arguments of the build.
    build: &'static [&'static str],
}

impl Suite {
    /// The suite without the full-size model.
    pub fn on(device: Device) -> Self {
        Self { device, minilm: None, stand_in: None, binary: None, build: &[] }
    }

    /// The same suite in a build with these arguments, so that it shares the build of other tests.
    pub fn in_build(self, build: &'static [&'static str]) -> Self {
        Self { build, ..self }
    }

    pub fn parse(arguments: &mut Arguments) -> Result<Self> {
        let name = arguments.option("--device")?.ok_or("parity needs --device flex|ndarray|wgpu|cuda")?;
        let mut path = |name: &str| arguments.option(name).map(|path| path.map(PathBuf::from));
        let suite = Self {
            device: name.parse()?,
            minilm: path("--minilm")?,
            stand_in: path("--stand-in")?,
            binary: path("--binary")?,
            build: &[],
        };
        if suite.stand_in.is_some() && suite.device != Device::Cuda {
            return Err(format!("--stand-in belongs to a build for cuda, not for {name}"));
        }
        Ok(suite)
    }

    pub fn run(&self) -> Result<Duration> {
        let step = format!("parity on {}", self.device.name());
        if self.device == Device::Wgpu {
            vulkan::find()?;
        }
        if let Some(binary) = &self.binary {
            let mut tests = Command::new(absolute("--binary", binary)?);
            tests.env("COLBURN_FIXTURES", repository().join("tests/fixtures"));
            self.configure(&mut tests)?;
            return process::run(&step, &mut tests);
        }
        let mut build = build(self.device).to_vec();
        build.extend(self.build);
        build.push("--");
        if self.device == Device::Cuda {
            return cuda::build(self.stand_in.as_deref(), |cargo| {
                let mut tests = cargo.command(&build);
                self.configure(&mut tests)?;
                process::run(&step, &mut tests)
            });
        }
        let mut tests = cargo(&build);
        self.configure(&mut tests)?;
        process::run(&step, &mut tests)
    }

    /// The variables and the arguments of the test binary.
    fn configure(&self, tests: &mut Command) -> Result<()> {
        tests.env("BURN_DEVICE", self.device.name());
        if self.device == Device::Wgpu && std::env::var_os("CUBECL_AUTOTUNE_LEVEL").is_none() {
            // Tuning kernels for a tiny model would take longer than running them, most of all on a software renderer.
            tests.env("CUBECL_AUTOTUNE_LEVEL", "minimal");
        }
        if let Some(directory) = &self.minilm {
            let directory = absolute("--minilm", directory)?;
            if !directory.join("model.safetensors").is_file() {
                return Err(format!("--minilm {}: no model.safetensors there", directory.display()));
            }
            tests.env("COLBURN_MINILM", directory).arg("--include-ignored");
        }
        Ok(())
    }
}

fn absolute(option: &str, path: &Path) -> Result<PathBuf> {
    std::path::absolute(path).map_err(|error| format!("{option} {}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::{Arguments, Device, Suite};

    #[test]
    fn devices_have_names() {
        for device in Device::ALL {
            assert_eq!(device.name().parse(), Ok(device));
        }
        assert!("tpu".parse::<Device>().unwrap_err().contains("flex, ndarray, wgpu, cuda"));
    }

    #[test]
    fn a_device_is_needed_and_a_stand_in_belongs_to_cuda() {
        let parse = |line: &str| Suite::parse(&mut Arguments::of(line));
        assert_eq!(parse("--device ndarray"), Ok(Suite::on(Device::Ndarray)));
        let cuda = parse("--device cuda --stand-in llvm --binary bin/parity").unwrap();
        assert_eq!((cuda.device, cuda.stand_in.is_some(), cuda.binary.is_some()), (Device::Cuda, true, true));
        assert!(parse("--minilm here").unwrap_err().contains("--device"));
        assert!(parse("--device flex --stand-in llvm").is_err());
    }
}
