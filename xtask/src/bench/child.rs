//! A program that runs to its end: its output, its time and the peak of its memory. The peak is the largest resident set of that one process,
//! as the system counts it (`wait4`).

use std::fs::File;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Instant;

use crate::process::describe;
use crate::result::Result;

/// The results of a process.
#[derive(Debug)]
pub struct Finished {
    pub stdout: String,
    pub stderr: String,
    pub seconds: f64,
    /// None if the system does not measure it.
    pub peak_mib: Option<f64>,
    pub success: bool,
}

impl Finished {
    /// Returns an error that ends with the program's last output, unless the program succeeded.
    pub fn succeeded(self, step: &str) -> Result<Self> {
        if self.success {
            return Ok(self);
        }
        let said = if self.stderr.trim().is_empty() { &self.stdout } else { &self.stderr };
        Err(format!("{step} failed:\n{}", last_lines(said, 12)))
    }
}

/// A process that an observer sees.
pub struct Running {
    pub id: u32,
    pub started: Instant,
    ended: AtomicBool,
}

impl Running {
    /// True if the process has ended.
    pub fn ended(&self) -> bool {
        self.ended.load(Ordering::Relaxed)
    }
}

/// Runs a command. Its output goes to files in a folder, so that no pipe can fill up.
pub fn run(step: &str, command: &mut Command, folder: &Path) -> Result<Finished> {
    Ok(run_observed(step, command, folder, |_| ())?.0)
}

/// The same, with an observer on a thread of its own. It has to return when the process has ended.
pub fn run_observed<T: Send>(
    step: &str,
    command: &mut Command,
    folder: &Path,
    observer: impl FnOnce(&Running) -> T + Send,
) -> Result<(Finished, T)> {
    eprintln!("==> {step}\n    {}", describe(command));
    let paths = ["stdout", "stderr"].map(|name| folder.join(name));
    let [stdout, stderr] = paths
        .each_ref()
        .map(|path| File::create(path).map_err(|error| format!("{}: {error}", path.display())).map(Stdio::from));
    command.stdin(Stdio::null()).stdout(stdout?).stderr(stderr?);
    let started = Instant::now();
    let child = command
        .spawn()
        .map_err(|error| format!("{step}: {} did not start: {error}", command.get_program().display()))?;
    let running = Running { id: child.id(), started, ended: AtomicBool::new(false) };
    let (waited, seconds, observed) = thread::scope(|scope| {
        let observer = scope.spawn(|| observer(&running));
        let waited = wait(child);
        let seconds = started.elapsed().as_secs_f64();
        running.ended.store(true, Ordering::Relaxed);
        (waited, seconds, observer.join())
    });
    let (success, peak_mib) = waited.map_err(|error| format!("{step}: {error}"))?;
    let observed = observed.map_err(|_| format!("{step}: its observer panicked"))?;
    let [stdout, stderr] =
        paths.map(|path| String::from_utf8_lossy(&std::fs::read(path).unwrap_or_default()).into_owned());
    Ok((Finished { stdout, stderr, seconds, peak_mib, success }, observed))
}

/// Waits for a child. Returns true if it succeeded, and its largest resident set in MiB.
#[cfg(unix)]
fn wait(child: Child) -> std::io::Result<(bool, Option<f64>)> {
    let mut status = 0;
    // SAFETY: `rusage` is made of numbers, of which zero is one.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    loop {
        // SAFETY: both pointers lead to places on this stack that outlive the call; the process is our child and nobody else waits for it.
        let found = unsafe { libc::wait4(child.id().cast_signed(), &raw mut status, 0, &raw mut usage) };
        if found >= 0 {
            break;
        }
        let error = std::io::Error::last_os_error();
        if error.kind() != std::io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
    let bytes = usage.ru_maxrss as f64 * if cfg!(target_vendor = "apple") { 1.0 } else { 1024.0 };
    Ok((libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == 0, Some(bytes / 1_048_576.0)))
}

#[cfg(not(unix))]
fn wait(mut child: Child) -> std::io::Result<(bool, Option<f64>)> {
    Ok((child.wait()?.success(), None))
}

fn last_lines(text: &str, count: usize) -> String {
    let lines: Vec<&str> = text.trim_end().lines().collect();
    lines[lines.len().saturating_sub(count)..].join("\n")
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use super::*;

    fn shell(line: &str) -> Finished {
        observed(line, |_| ()).0
    }

    fn observed<T: Send>(line: &str, observer: impl FnOnce(&Running) -> T + Send) -> (Finished, T) {
        let folder = std::env::temp_dir().join(format!("xtask-child-{}-{}", std::process::id(), line.len()));
        std::fs::create_dir_all(&folder).unwrap();
        let result = run_observed("a test", Command::new("sh").args(["-c", line]), &folder, observer).unwrap();
        std::fs::remove_dir_all(&folder).unwrap();
        result
    }

    #[test]
    fn an_observer_sees_the_process_until_its_end() {
        let (finished, looks) = observed("sleep 0.2; echo done", |running| {
            let looks = (0..).take_while(|_| {
                thread::sleep(std::time::Duration::from_millis(10));
                !running.ended()
            });
            (running.id, looks.count())
        });
        assert_eq!(finished.stdout, "done\n");
        assert!(looks.0 > 0 && looks.1 > 3, "{looks:?}");
    }

    #[test]
    fn output_and_success_are_told() {
        let finished = shell("echo out; echo err >&2");
        assert_eq!((finished.stdout.as_str(), finished.stderr.as_str(), finished.success), ("out\n", "err\n", true));
        let error = shell("echo first; echo the reason >&2; exit 3").succeeded("a step").unwrap_err();
        assert!(error.contains("a step failed") && error.contains("the reason"), "{error}");
        assert!(!shell("kill -9 $$").success);
    }

    #[test]
    fn the_peak_of_memory_is_the_childs() {
        let small = shell("true").peak_mib.unwrap();
        assert!(small > 0.1 && small < 40.0, "{small} MiB");
        // a text of 16 bytes, doubled 22 times
        let doubling = "BEGIN { s = \"0123456789abcdef\"; for (i = 0; i < 22; i++) s = s s; print length(s) }";
        let large = shell(&format!("exec awk '{doubling}'")).peak_mib.unwrap();
        assert!(large > 64.0, "{large} MiB");
    }
}
