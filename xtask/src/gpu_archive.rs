//! `cargo xtask gpu-archive`: one archive and one script, by which a machine with a GPU, but without a network and a toolchain, runs the kernels' tests, the
//! parity tests and the benchmark. The archive is laid out as the repository, so that each program finds its files where it finds them here.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::str::FromStr;

use crate::arguments::Arguments;
use crate::bench::machine;
use crate::bench::paths::absolute;
use crate::built::{MESSAGES, Programs};
use crate::process::{self, repository};
use crate::result::Result;
use crate::{cuda, parity};

/// The name of the archive, and of the folder that is packed into it.
const NAME: &str = "colburn-gpu";
/// The script that unpacks and runs it.
const SCRIPT: &str = "xtask/gpu/run.sh";
/// The tests of the kernels, on the CPU too, which they are compared with.
const KERNELS: [&str; 8] = ["test", "--release", "-p", "colburn-ops", "--features", "flex,cuda", "--lib", "--no-run"];
/// The Python of the machine, and the systems that its packages may be built for.
const PYTHON_VERSION: &str = "3.12";
const PLATFORMS: [&str; 5] = [
    "manylinux_2_28_x86_64",
    "manylinux_2_27_x86_64",
    "manylinux_2_17_x86_64",
    "manylinux2014_x86_64",
    "manylinux1_x86_64",
];

/// A part of the archive, which the script runs by the same name.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Part {
    Kernels,
    Parity,
    Bench,
}

impl Part {
    const ALL: [Self; 3] = [Self::Kernels, Self::Parity, Self::Bench];

    fn name(self) -> &'static str {
        match self {
            Self::Kernels => "kernels",
            Self::Parity => "parity",
            Self::Bench => "bench",
        }
    }

    /// The program's name in the archive, and cargo's name of it.
    fn program(self) -> [&'static str; 2] {
        match self {
            Self::Kernels => ["kernels", "colburn_ops"],
            Self::Parity => ["parity", "parity"],
            Self::Bench => ["colburn", "colburn"],
        }
    }

    /// The folders of the repository that the part reads.
    fn folders(self) -> &'static [&'static str] {
        match self {
            Self::Kernels => &[],
            Self::Parity => &["tests/fixtures", "examples/data/bert-small"],
            Self::Bench => &["xtask/gpu", "examples/data/bert-small"],
        }
    }
}

impl FromStr for Part {
    type Err = String;

    fn from_str(name: &str) -> Result<Self> {
        let found = Self::ALL.into_iter().find(|part| part.name() == name);
        found.ok_or_else(|| format!("--parts {name}: no such part; there are {}", Self::ALL.map(Self::name).join(", ")))
    }
}

/// The command line, with its defaults.
#[derive(Debug)]
pub struct Options {
    parts: Vec<Part>,
    /// A crate in cubecl-llvm's place.
    stand_in: Option<PathBuf>,
    /// A folder with built programs: kernels, parity, colburn. Without it they are built.
    programs: Option<PathBuf>,
    triplets: PathBuf,
    /// A Python whose pip installs `xtask/gpu/requirements.txt`.
    python: PathBuf,
    /// The folder for archive and script.
    out: PathBuf,
}

impl Options {
    pub fn parse(arguments: &mut Arguments) -> Result<Self> {
        let named = arguments.list("--parts")?;
        let parts = named.iter().map(|name| name.parse()).collect::<Result<Vec<Part>>>()?;
        let mut path =
            |name: &str| -> Result<Option<PathBuf>> { Ok(arguments.option(name)?.map(|path| absolute(path.as_ref()))) };
        Ok(Self {
            parts: if parts.is_empty() { Part::ALL.to_vec() } else { parts },
            stand_in: path("--stand-in")?,
            programs: path("--programs")?,
            triplets: path("--triplets")?.unwrap_or_else(|| absolute("examples/data/triplets-train.parquet".as_ref())),
            out: path("--out")?.ok_or("gpu-archive needs --out DIR")?,
            python: arguments.option("--python")?.unwrap_or_else(|| "python3".to_owned()).into(),
        })
    }

    fn packs(&self, part: Part) -> bool {
        self.parts.contains(&part)
    }
}

pub fn run(options: &Options) -> Result<()> {
    if options.packs(Part::Bench) && options.triplets.extension() != Some(OsStr::new("parquet")) {
        return Err(format!("--triplets {}: a Parquet file is needed", options.triplets.display()));
    }
    let programs = programs(options)?;
    let folder = options.out.join(NAME);
    if folder.exists() {
        fs::remove_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    }
    make(&folder.join("bin"))?;
    let xtask = std::env::current_exe().map_err(|error| format!("xtask itself: {error}"))?;
    strip(&xtask, &folder.join("bin/xtask"))?;
    for part in &options.parts {
        let [name, built] = part.program();
        strip(&programs.find(built)?, &folder.join("bin").join(name))?;
        for within in part.folders() {
            copy(&repository().join(within), &folder.join(within))?;
        }
    }
    if options.packs(Part::Bench) {
        copy(&options.triplets, &folder.join("data/triplets.parquet"))?;
        install_pylate(&options.python, &folder.join("site"))?;
    }
    let commit = folder.join(machine::COMMIT);
    fs::write(&commit, machine::commit() + "\n").map_err(|error| format!("{}: {error}", commit.display()))?;
    let archive = pack(&options.out, &folder)?;
    copy(&repository().join(SCRIPT), &options.out.join("run.sh"))?;
    let bytes = fs::metadata(&archive).map_err(|error| format!("{}: {error}", archive.display()))?.len();
    println!("{}: {:.1} MB", archive.display(), bytes as f64 / 1e6);
    println!("{}", options.out.join("run.sh").display());
    Ok(())
}

/// The programs of the parts, by cargo's names.
fn programs(options: &Options) -> Result<Programs> {
    let mut programs = Programs::default();
    if let Some(folder) = &options.programs {
        for part in &options.parts {
            let [name, built] = part.program();
            let path = folder.join(name);
            if !path.is_file() {
                return Err(format!("--programs {}: no {name} there", folder.display()));
            }
            programs.add(built, path);
        }
        return Ok(programs);
    }
    cuda::build(options.stand_in.as_deref(), |cargo| {
        for part in &options.parts {
            let mut arguments = match part {
                Part::Kernels => KERNELS.to_vec(),
                Part::Parity => [parity::build(parity::Device::Cuda).as_slice(), &["--no-run"]].concat(),
                Part::Bench => cuda::BINARY.to_vec(),
            };
            arguments.extend(MESSAGES);
            programs.extend(Programs::build(part.name(), &mut cargo.command(&arguments))?);
        }
        Ok(programs)
    })
}

/// Installs PyLate for the Python of the machine. Installed files are a third of the wheels' size once they are packed.
fn install_pylate(python: &Path, folder: &Path) -> Result<()> {
    let mut pip = Command::new(python);
    pip.args(["-m", "pip", "install", "--quiet", "--no-deps", "--no-compile", "--only-binary=:all:"]);
    pip.args(["--implementation", "cp", "--python-version", PYTHON_VERSION]);
    for platform in PLATFORMS {
        pip.args(["--platform", platform]);
    }
    pip.arg("-r").arg(repository().join("xtask/gpu/requirements.txt")).arg("--target").arg(folder);
    process::run("PyLate", &mut pip).map(drop)
}

/// Packs a folder, and removes it. The filter for x86 makes programs a few percent smaller.
fn pack(out: &Path, folder: &Path) -> Result<PathBuf> {
    let tar = out.join(format!("{NAME}.tar"));
    let mut command = Command::new("tar");
    command.args(["--sort=name", "--owner=0", "--group=0", "-cf"]).arg(&tar).arg("-C").arg(folder).arg(".");
    process::run("archive", &mut command)?;
    let mut command = Command::new("xz");
    command.args(["--force", "--threads=0", "--x86", "--lzma2=preset=9,dict=64MiB"]).arg(&tar);
    process::run("compression", &mut command)?;
    fs::remove_dir_all(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    Ok(tar.with_extension("tar.xz"))
}

/// Copies a program without its symbols.
fn strip(program: &Path, to: &Path) -> Result<()> {
    let step = format!("strip {}", program.display());
    process::run(&step, Command::new("strip").arg("-o").arg(to).arg(program)).map(drop)
}

/// Copies a file or a folder.
fn copy(from: &Path, to: &Path) -> Result<()> {
    let failed = |error: std::io::Error| format!("{} cannot be copied: {error}", from.display());
    if !from.is_dir() {
        make(to.parent().unwrap_or(to))?;
        return fs::copy(from, to).map(drop).map_err(failed);
    }
    make(to)?;
    for entry in fs::read_dir(from).map_err(failed)? {
        let name = entry.map_err(failed)?.file_name();
        if name != "__pycache__" {
            copy(&from.join(&name), &to.join(&name))?;
        }
    }
    Ok(())
}

fn make(folder: &Path) -> Result<()> {
    fs::create_dir_all(folder).map_err(|error| format!("{}: {error}", folder.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Options> {
        Options::parse(&mut Arguments::of(line))
    }

    #[test]
    fn all_parts_are_packed_unless_some_are_named() {
        let options = parse("--out /tmp/gpu").unwrap();
        assert_eq!((options.parts, options.python), (Part::ALL.to_vec(), PathBuf::from("python3")));
        assert_eq!(parse("--out /tmp/gpu --parts kernels,bench").unwrap().parts, [Part::Kernels, Part::Bench]);
        assert!(parse("--parts kernels").unwrap_err().contains("--out"));
        assert!(parse("--out /tmp/gpu --parts all").unwrap_err().contains("kernels, parity, bench"));
    }

    #[test]
    fn the_folders_of_the_parts_exist() {
        for folder in Part::ALL.into_iter().flat_map(Part::folders) {
            assert!(repository().join(folder).is_dir(), "{folder}");
        }
        assert!(repository().join(SCRIPT).is_file());
    }

    #[test]
    fn a_folder_is_copied_without_what_python_leaves() {
        let folder = std::env::temp_dir().join(format!("xtask-archive-{}", std::process::id()));
        make(&folder.join("from/a/__pycache__")).unwrap();
        fs::write(folder.join("from/a/file"), "x").unwrap();
        copy(&folder.join("from"), &folder.join("to")).unwrap();
        assert!(folder.join("to/a/file").is_file() && !folder.join("to/a/__pycache__").exists());
        assert!(copy(&folder.join("none"), &folder.join("to")).unwrap_err().contains("none"));
        fs::remove_dir_all(&folder).unwrap();
    }
}
