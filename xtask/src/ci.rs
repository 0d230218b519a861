//! `cargo xtask ci`: the checks that a change must pass, cheap ones first. The README's commands are among them.

use std::time::Duration;

use crate::commands::{BINARY, EXAMPLE, TESTS};
use crate::parity::{Device, Suite};
use crate::process::cargo;
use crate::result::Result;
use crate::{process, sanitize, tidy, vulkan};

/// The tests of the feature `plaid`.
const PLAID: &str = "cargo test --release --workspace --features ndarray --lib --test command_line";

/// The build of the tests of PLAID and of ndarray, which share it: either alone would compile Burn once more.
const PLAID_AND_NDARRAY: [&str; 2] = ["--features", "colburn-cli/plaid"];

/// The tests of the GPU kernels on wgpu. They choose the device themselves.
const KERNELS_ON_WGPU: &str = "cargo test --release -p colburn-ops --features flex,wgpu --lib -- cube";

/// The setting of a build of which only the tests matter: half the time of the compiler.
const QUICK_BUILD: (&str, &str) = ("CARGO_PROFILE_RELEASE_OPT_LEVEL", "1");

pub fn run() -> Result<()> {
    let mut report = Report::default();
    report.step("format", &["fmt", "--all", "--", "--check"])?;
    tidy::run()?;
    report.step("clippy", &["clippy", "--release", "--workspace", "--all-targets", "--", "-D", "warnings"])?;
    report.step("libraries without a backend", &words(&no_backend()?))?;
    report
        .take("rustdoc", cargo(&["doc", "--release", "--workspace", "--no-deps"]).env("RUSTDOCFLAGS", "-D warnings"))?;
    report.step("tests", &words(TESTS))?;
    report
        .step("smoke run of the example", &words(&format!("{EXAMPLE} -- --max-steps 3 --output-dir output/smoke")))?;
    // An index is created in a place that is free.
    let index = process::repository().join("output/smoke-index");
    if index.exists() {
        std::fs::remove_dir_all(&index).map_err(|error| format!("{}: {error}", index.display()))?;
    }
    for command in BINARY {
        report.step("smoke run of the binary", &words(&smoke(command)))?;
    }
    let plaid = [words(PLAID).as_slice(), &PLAID_AND_NDARRAY, &["--", "plaid", "index"]].concat();
    report.take("tests of PLAID indexes", cargo(&plaid).env("BURN_DEVICE", "flex"))?;
    report.add("parity on ndarray", Suite::on(Device::Ndarray).in_build(&PLAID_AND_NDARRAY).run()?);
    if cfg!(all(target_os = "linux", target_arch = "x86_64")) {
        report.take("kernels under AddressSanitizer", &mut sanitize::tests())?;
    }
    report.on_wgpu()?;
    report.print();
    Ok(())
}

/// One cargo call for all libraries, so that their dependencies are compiled once.
fn no_backend() -> Result<String> {
    let packages = tidy::libraries(&process::repository())?;
    let selected: Vec<String> = packages.iter().map(|package| format!("-p {package}")).collect();
    Ok(format!("cargo check --release --no-default-features {}", selected.join(" ")))
}

/// A command of the binary, on a model of a few steps and with its results in folders of their own.
fn smoke(command: &str) -> String {
    let changed = command.replace("output/", "output/smoke-");
    if command.contains(" train ") {
        format!(
            "{changed} --set model.name_or_path=output/smoke --set training.output_dir=output/smoke-run --set training.max_steps=3"
        )
    } else {
        changed
    }
}

/// The arguments of a cargo command line as the README spells it.
fn words(line: &str) -> Vec<&str> {
    line.split_whitespace().skip(1).collect()
}

/// The steps that ran, with their times.
#[derive(Default)]
struct Report(Vec<(String, Duration)>);

impl Report {
    fn step(&mut self, name: &str, arguments: &[&str]) -> Result<()> {
        self.take(name, &mut cargo(arguments))
    }

    /// The steps that need a Vulkan driver.
    fn on_wgpu(&mut self) -> Result<()> {
        if let Err(missing) = vulkan::find() {
            eprintln!("\n==> kernels on wgpu, parity on wgpu\n    warning: skipped: {missing}");
            return Ok(());
        }
        let mut kernels = cargo(&words(KERNELS_ON_WGPU));
        self.take("kernels on wgpu", kernels.env_remove("BURN_DEVICE").env(QUICK_BUILD.0, QUICK_BUILD.1))?;
        if std::env::var("COLBURN_CI_WGPU").is_ok_and(|value| value == "1") {
            self.add("parity on wgpu", Suite::on(Device::Wgpu).run()?);
        } else {
            eprintln!("\n==> parity on wgpu: skipped; COLBURN_CI_WGPU=1 runs it");
        }
        Ok(())
    }

    fn take(&mut self, name: &str, command: &mut std::process::Command) -> Result<()> {
        self.add(name, process::run(name, command)?);
        Ok(())
    }

    fn add(&mut self, name: &str, elapsed: Duration) {
        self.0.push((name.to_owned(), elapsed));
    }

    fn print(&self) {
        eprintln!("\n==> ci passed");
        for (name, elapsed) in &self.0 {
            eprintln!("    {:7.1} s  {name}", elapsed.as_secs_f64());
        }
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_readme_spelling_becomes_cargo_arguments() {
        assert_eq!(super::words(crate::commands::TESTS), ["test", "--release", "--workspace"]);
    }

    #[test]
    fn smoke_runs_leave_the_outputs_of_others_alone() {
        for command in crate::commands::BINARY {
            let smoke = super::smoke(command);
            let outputs = smoke.match_indices("output/").count();
            assert!(outputs > 0 && outputs == smoke.matches("output/smoke").count(), "{smoke}");
        }
    }
}
