//! The programs of a cargo call. Cargo names them in its messages, so nobody has to know the layout of the target folder.

use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;

use crate::process;
use crate::result::Result;

/// The option by which cargo writes its messages as JSON, and errors for people.
pub const MESSAGES: [&str; 2] = ["--message-format", "json-render-diagnostics"];

/// Names and paths of programs.
#[derive(Debug, Default, PartialEq)]
pub struct Programs(Vec<(String, PathBuf)>);

impl Programs {
    /// Runs a cargo call that has the option [`MESSAGES`].
    pub fn build(step: &str, command: &mut Command) -> Result<Self> {
        Ok(Self::read(&process::output(step, command)?))
    }

    /// Reads cargo's messages.
    fn read(messages: &str) -> Self {
        let messages = messages.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let programs = messages.filter_map(|message| {
            let name = message["target"]["name"].as_str()?.to_owned();
            Some((name, PathBuf::from(message["executable"].as_str()?)))
        });
        Self(programs.collect())
    }

    /// Adds a program that exists already.
    pub fn add(&mut self, name: &str, path: PathBuf) {
        self.0.push((name.to_owned(), path));
    }

    /// Adds the programs of another call.
    pub fn extend(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    pub fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(known, _)| known == name)
    }

    /// The path of a program.
    pub fn find(&self, name: &str) -> Result<PathBuf> {
        let found = self.0.iter().find(|(known, _)| known == name).map(|(_, path)| path.clone());
        found.ok_or_else(|| format!("the build made no {name}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_found_in_cargos_messages() {
        let messages = r#"{"reason":"compiler-artifact","target":{"name":"colburn_ops"},"executable":null}
not JSON
{"reason":"compiler-artifact","target":{"name":"matmul_rate"},"executable":"/target/release/examples/matmul_rate"}
{"reason":"build-finished","success":true}"#;
        let mut programs = Programs::read(messages);
        programs.add("colburn", PathBuf::from("/bin/colburn"));
        assert_eq!(programs.find("matmul_rate"), Ok(PathBuf::from("/target/release/examples/matmul_rate")));
        assert!(programs.has("colburn") && !programs.has("colburn_ops"));
        assert!(programs.find("colburn_ops").unwrap_err().contains("colburn_ops"));
    }
}
