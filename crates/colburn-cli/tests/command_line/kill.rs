//! A run that is killed again and again, at any moment, and each time started once more, ends as if nothing had happened.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::process::Stdio;
use std::thread::sleep;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::resume::{assert_same, has_checkpoint, workspace};
use crate::workspace::Workspace;

/// Kills that are to hit a run which goes on.
const KILLS: usize = 12;

const SIGKILL: i32 = 9;

/// SplitMix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn up_to(&mut self, time: Duration) -> Duration {
        time.mul_f64((self.next() >> 11) as f64 / (1_u64 << 53) as f64)
    }
}

/// When a run is killed.
#[derive(Clone, Copy)]
enum When {
    After(Duration),
    /// As soon as a checkpoint is half written.
    Saving,
}

/// The end of a run.
#[derive(PartialEq)]
enum End {
    Finished,
    Killed { saving: bool },
}

/// Starts the run, and kills it when that is due.
fn run(workspace: &Workspace, when: When) -> End {
    let arguments = if has_checkpoint(workspace) { "train RUN.toml --resume" } else { "train RUN.toml" };
    let said = fs::File::create(workspace.path("said.txt")).unwrap();
    let before = half_written(workspace);
    let mut child = workspace.command(arguments).stdout(Stdio::null()).stderr(said).spawn().unwrap();
    let started = Instant::now();
    loop {
        let due = match when {
            When::After(time) => started.elapsed() >= time,
            When::Saving => !half_written(workspace).is_subset(&before),
        };
        if due {
            child.kill().unwrap();
        }
        if let Some(status) = if due { Some(child.wait().unwrap()) } else { child.try_wait().unwrap() } {
            let said = fs::read_to_string(workspace.path("said.txt")).unwrap();
            assert!(status.success() || (due && status.signal() == Some(SIGKILL)), "{arguments}: {status}\n{said}");
            if status.success() && arguments.ends_with("--resume") {
                assert!(said.contains("resuming from output/run/checkpoint-"), "it began anew: {said}");
            }
            let saving = !half_written(workspace).is_subset(&before);
            return if status.success() { End::Finished } else { End::Killed { saving } };
        }
        sleep(Duration::from_micros(500));
    }
}

/// The names of the checkpoints that are being written, or were when a run was killed.
fn half_written(workspace: &Workspace) -> BTreeSet<String> {
    let Ok(entries) = fs::read_dir(workspace.path("output/run")) else { return BTreeSet::new() };
    let names = entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned());
    names.filter(|name| name.starts_with(".tmp-checkpoint-")).collect()
}

#[test]
fn a_run_that_is_killed_at_any_moment_ends_in_the_same_bytes() {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos() as u64;
    let seed = std::env::var("COLBURN_KILL_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(now);
    println!("COLBURN_KILL_SEED={seed}");
    let mut random = Random(seed);

    let workspace = workspace();
    let started = Instant::now();
    workspace.succeed("train RUN.toml");
    let undisturbed = started.elapsed();
    let (folder, whole) = (workspace.path("output/run"), workspace.path("output/whole"));
    fs::rename(&folder, &whole).unwrap();

    let (mut kills, mut while_saving, mut finished) = (0, 0, 0);
    while kills < KILLS {
        for attempt in 0.. {
            let when = match attempt % 3 {
                _ if kills >= KILLS => When::After(Duration::MAX),
                1 => When::Saving,
                // Early, so that several kills fit into a run, and at any moment to its very end.
                0 => When::After(random.up_to(undisturbed / 3)),
                _ => When::After(random.up_to(undisturbed)),
            };
            match run(&workspace, when) {
                End::Finished => break,
                End::Killed { saving } => {
                    kills += 1;
                    while_saving += usize::from(saving);
                }
            }
        }
        finished += 1;
        assert_same(&folder, &whole, &format!("COLBURN_KILL_SEED={seed}, run {finished}"));
        fs::remove_dir_all(&folder).unwrap();
    }
    println!(
        "{kills} kills, {while_saving} of them while a checkpoint was written, {finished} runs of {undisturbed:.1?}"
    );
    assert!(while_saving > 0, "COLBURN_KILL_SEED={seed}: no kill came while a checkpoint was written");
}
