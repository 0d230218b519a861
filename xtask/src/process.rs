//! Other programs: a task prints each command before it runs it, and the time afterwards.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::result::Result;

/// The repository's root folder. Cargo sets the variable at run time too, so that several clones can share a target folder.
pub fn repository() -> PathBuf {
    let manifest =
        std::env::var_os("CARGO_MANIFEST_DIR").map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
    manifest.parent().map_or_else(|| PathBuf::from("."), Path::to_path_buf)
}

/// Cargo itself, in the repository's root, with these arguments.
pub fn cargo<S: AsRef<str>>(arguments: &[S]) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(arguments.iter().map(AsRef::as_ref)).current_dir(repository());
    command
}

/// Runs a command to its end with its output on the terminal. An error names the step.
pub fn run(step: &str, command: &mut Command) -> Result<Duration> {
    eprintln!("\n==> {step}\n    {}", describe(command));
    let started = Instant::now();
    let status = command
        .status()
        .map_err(|error| format!("{step}: {} did not start: {error}", command.get_program().display()))?;
    let elapsed = started.elapsed();
    if !status.success() {
        return Err(format!("{step} failed after {:.1} s ({status})", elapsed.as_secs_f64()));
    }
    eprintln!("    {step}: ok, {:.1} s", elapsed.as_secs_f64());
    Ok(elapsed)
}

/// Runs a command to its end with its messages on the terminal. Returns its output.
pub fn output(step: &str, command: &mut Command) -> Result<String> {
    eprintln!("\n==> {step}\n    {}", describe(command));
    let output = command
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| format!("{step}: {} did not start: {error}", command.get_program().display()))?;
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    } else {
        Err(format!("{step} failed ({})", output.status))
    }
}

/// True if a program starts and exits with success. Its output is discarded.
pub fn succeeds(command: &mut Command) -> bool {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// The command as a user would type it, with changed variables in front.
pub fn describe(command: &Command) -> String {
    let mut words = Vec::new();
    for (name, value) in command.get_envs() {
        words.push(format!("{}={}", name.display(), quoted(&value.unwrap_or_default().to_string_lossy())));
    }
    let program = Path::new(command.get_program());
    words.push(program.file_name().unwrap_or(program.as_os_str()).to_string_lossy().into_owned());
    words.extend(command.get_args().map(|argument| quoted(&argument.to_string_lossy())));
    words.join(" ")
}

fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,@+".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::{describe, output};

    #[test]
    fn a_command_is_shown_as_typed() {
        let mut command = Command::new("/usr/bin/cargo");
        command.args(["test", "-p", "a b"]).env("RUSTDOCFLAGS", "-D warnings");
        assert_eq!(describe(&command), "RUSTDOCFLAGS='-D warnings' cargo test -p 'a b'");
    }

    #[test]
    #[cfg(unix)]
    fn the_output_of_a_command_is_returned() {
        let shell = |line: &str| output("a step", Command::new("sh").args(["-c", line]));
        assert_eq!(shell("echo out"), Ok("out\n".to_owned()));
        assert!(shell("echo out; exit 3").unwrap_err().contains("a step failed"));
    }
}
