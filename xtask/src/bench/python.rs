//! Scripts of the benchmark, run by a Python that has PyLate. The last line that each prints is JSON.

use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;

use super::child::{self, Finished};
use super::paths::Folder;
use crate::process::{self, repository};
use crate::result::Result;

/// A Python, and the folder of the scripts that it runs.
pub struct Python {
    program: PathBuf,
    scripts: &'static str,
}

impl Python {
    /// Fails if a module is missing. Nothing is imported, because PyLate takes many seconds.
    pub fn new(program: PathBuf, scripts: &'static str, modules: &[&str], how: &str) -> Result<Self> {
        let find = "import sys; from importlib.util import find_spec; sys.exit(not all(map(find_spec, sys.argv[1:])))";
        if !process::succeeds(Command::new(&program).args(["-c", find]).args(modules)) {
            return Err(format!("--python {}: it has not all of {}; {how}", program.display(), modules.join(", ")));
        }
        Ok(Self { program, scripts })
    }

    /// The command that runs a script.
    pub fn command(&self, script: &str, arguments: &[String]) -> Command {
        let mut command = Command::new(&self.program);
        command.arg(repository().join(self.scripts).join(script)).args(arguments).env("HF_HUB_OFFLINE", "1");
        command
    }

    /// Runs a script. Returns its last line and the process.
    pub fn run(&self, step: &str, script: &str, arguments: &[String], folder: &Folder) -> Result<(Value, Finished)> {
        let finished = child::run(step, &mut self.command(script, arguments), &folder.0)?.succeeded(step)?;
        Ok((report(step, &finished)?, finished))
    }
}

/// The last line of JSON that a script printed.
pub fn report(step: &str, finished: &Finished) -> Result<Value> {
    last_json(&finished.stdout).ok_or_else(|| format!("{step}: the script printed no JSON"))
}

/// `NAME VALUE` after `NAME VALUE`.
pub fn words(options: &[(&str, String)]) -> Vec<String> {
    options.iter().flat_map(|(name, value)| [(*name).to_owned(), value.clone()]).collect()
}

fn last_json(printed: &str) -> Option<Value> {
    printed.lines().rev().find_map(|line| serde_json::from_str(line).ok().filter(Value::is_object))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_last_line_of_json_is_the_report() {
        let printed = "{'loss': 0.5}\n{\"old\": 1}\n{\"step_seconds\": [3.0, 2.0, 4.0]}\nbye\n";
        assert_eq!(last_json(printed), Some(json!({"step_seconds": [3.0, 2.0, 4.0]})));
        assert_eq!(last_json("nothing\n3\n"), None);
    }
}
