//! The machine and the versions of a measurement. A ratio of two programs means little without them.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use super::setup::Setup;
use crate::process::repository;

/// The file with the commit's name, in an archive.
pub const COMMIT: &str = "COMMIT";

/// More runnable threads than this at the start mean that another program is busy.
const BUSY: f64 = 0.5;

/// Facts by name.
pub fn facts(setup: &Setup, busy: Option<f64>) -> Vec<(&'static str, String)> {
    let rate = &setup.rate;
    let mut facts = common(&setup.programs.colburn, busy);
    facts.push((
        "f32 matrix products, [3225, 384] · [384, 1536]",
        format!("{:.0} GFLOP/s (best {:.0})", rate.median, rate.best),
    ));
    if let Some(prepared) = &setup.prepared {
        for name in ["pylate", "torch", "transformers", "python", "threads"] {
            let value = &prepared.facts[name];
            facts.push((if name == "threads" { "threads of torch" } else { name }, plain(value)));
        }
    }
    facts
}

/// The facts that count on any machine.
pub fn common(colburn: &Path, busy: Option<f64>) -> Vec<(&'static str, String)> {
    let cores = std::thread::available_parallelism().map_or_else(|_| "?".to_owned(), |cores| cores.to_string());
    let colburn = format!("{} at {}", colburn.display(), commit());
    let mut facts = vec![("processor", processor()), ("cores", cores), ("colburn", colburn)];
    facts.extend(output(Command::new("rustc").arg("--version")).map(|version| ("rustc", version)));
    if let Some(busy) = busy {
        let warning = if busy > BUSY { ": the machine is not idle, so ratios are rough" } else { "" };
        facts.push(("load at the start", format!("{busy:.2}{warning}")));
    }
    facts
}

pub fn json(facts: &[(&'static str, String)]) -> Value {
    facts.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect::<serde_json::Map<_, _>>().into()
}

/// The mean number of runnable threads of the last minute, if the system reports it.
pub fn load() -> Option<f64> {
    let text = std::fs::read_to_string("/proc/loadavg").ok()?;
    text.split_whitespace().next()?.parse().ok()
}

fn processor() -> String {
    let linux = std::fs::read_to_string("/proc/cpuinfo").ok().and_then(|text| model_name(&text));
    linux.unwrap_or_else(|| first_line(Command::new("sysctl").args(["-n", "machdep.cpu.brand_string"])))
}

/// The first processor's name in `/proc/cpuinfo`, with the instruction sets that matter here.
fn model_name(text: &str) -> Option<String> {
    let field = |key: &str| {
        let line = text.lines().find(|line| line.split(':').next().is_some_and(|name| name.trim() == key))?;
        line.split_once(':').map(|(_, value)| value.trim())
    };
    let name = field("model name")?;
    let flags: Vec<&str> = field("flags").unwrap_or_default().split(' ').collect();
    let known: Vec<&str> =
        ["avx2", "avx512f", "avx512_bf16", "amx_bf16"].into_iter().filter(|flag| flags.contains(flag)).collect();
    Some(format!("{name} ({})", known.join(", ")))
}

/// The commit of the repository. An archive for another machine holds its name in a file.
pub fn commit() -> String {
    let mut describe = Command::new("git");
    describe.args(["describe", "--always", "--dirty"]).current_dir(repository());
    let packed = || std::fs::read_to_string(repository().join(COMMIT)).map(|text| text.trim().to_owned());
    output(&mut describe).or_else(|| packed().ok()).unwrap_or_else(unknown)
}

/// The first line that a command prints.
pub fn first_line(command: &mut Command) -> String {
    output(command).unwrap_or_else(unknown)
}

fn output(command: &mut Command) -> Option<String> {
    let output = command.output().ok().filter(|output| output.status.success())?;
    String::from_utf8_lossy(&output.stdout).lines().next().map(str::to_owned)
}

fn unknown() -> String {
    "unknown".to_owned()
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_processor_has_a_name_and_instruction_sets() {
        let text =
            "processor\t: 0\nmodel name\t: AMD EPYC 9B45\nflags\t\t: fpu avx2 avx512f avx512_bf16\n\nprocessor\t: 1\n";
        assert_eq!(model_name(text).as_deref(), Some("AMD EPYC 9B45 (avx2, avx512f, avx512_bf16)"));
        assert_eq!(model_name("Processor: ARM\n"), None);
    }
}
