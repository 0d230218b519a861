//! A folder of its own for each test, with the tiny model, some triplets and a run's TOML in it, and the binary to run there.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;

/// Three optimizer steps on 24 triplets, evaluated before and after on 8 more.
pub const RUN: &str = r#"
[model]
name_or_path = "model"

[loss]
type = "contrastive"

[data]
train = "train.jsonl"
eval = "eval.jsonl"

[[evaluators]]
type = "triplet"

[training]
output_dir = "output/run"
max_steps = 3
per_device_train_batch_size = 4
learning_rate = 1e-3
logging_steps = 1
eval_strategy = "steps"
eval_steps = 3
eval_on_start = true
"#;

/// Three optimizer steps of distillation on the scores of a teacher.
pub const TEACHER: &str = r#"
[model]
name_or_path = "model"

[loss]
type = "distillation"

[data]
train = "kd/train.jsonl"
queries = "kd/queries.jsonl"
documents = "kd/documents.jsonl"
n_ways = 4

[training]
output_dir = "output/run"
max_steps = 3
per_device_train_batch_size = 4
learning_rate = 1e-3
logging_steps = 1
"#;

pub struct Workspace(TempDir);

impl Workspace {
    pub fn new() -> Self {
        let workspace = Self(tempfile::tempdir().unwrap());
        copy(&fixtures().join("tiny-colbert"), &workspace.path("model"));
        let rows = fs::read_to_string(fixtures().join("training.jsonl")).unwrap();
        let lines: Vec<&str> = rows.lines().collect();
        workspace.write("train.jsonl", format!("{}\n", lines[..24].join("\n")));
        workspace.write("eval.jsonl", format!("{}\n", lines[24..32].join("\n")));
        workspace.write("RUN.toml", RUN);
        workspace
    }

    /// The same with 40 rows of a teacher's scores in `kd`, and the run for them.
    pub fn with_teacher() -> Self {
        let workspace = Self::new();
        copy(&fixtures().join("kd"), &workspace.path("kd"));
        workspace.write("RUN.toml", TEACHER);
        workspace
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        fs::write(self.path(name), content).unwrap();
    }

    /// Changes a file of the workspace, which has to hold what is replaced.
    pub fn replace(&self, name: &str, from: &str, to: &str) {
        let text = fs::read_to_string(self.path(name)).unwrap();
        assert!(text.contains(from), "{name} has no {from}");
        self.write(name, text.replace(from, to));
    }

    /// The binary with these arguments, to be run in the workspace.
    pub fn command(&self, arguments: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_colburn"));
        command
            .args(arguments.split_whitespace())
            .current_dir(self.0.path())
            .env_remove("RUST_LOG")
            .env_remove("BURN_DEVICE");
        // A name that is no path is not to be looked up on the real hub, nor the user's token be used.
        for variable in ["HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HF_TOKEN_PATH", "HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"]
        {
            command.env_remove(variable);
        }
        command.env("HF_HUB_OFFLINE", "1").env("HF_HOME", self.path(".huggingface"));
        command
    }

    /// Runs the binary, which has to succeed, and returns what it printed.
    pub fn succeed(&self, arguments: &str) -> String {
        self.succeed_and_say(arguments).0
    }

    /// Runs the binary, which has to succeed, and returns what it printed, and what it said on stderr.
    pub fn succeed_and_say(&self, arguments: &str) -> (String, String) {
        let output = self.command(arguments).output().unwrap();
        assert!(output.status.success(), "colburn {arguments}: {}\n{}", output.status, stderr(&output));
        let said = stderr(&output);
        (String::from_utf8(output.stdout).unwrap(), said)
    }

    /// A JSON file of the workspace.
    pub fn json(&self, name: &str) -> Value {
        serde_json::from_slice(&fs::read(self.path(name)).unwrap()).unwrap()
    }

    /// The numbers that the run in `output/run` logged under a key.
    pub fn logged(&self, key: &str) -> Vec<f64> {
        let state = self.json("output/run/trainer_state.json");
        state["log_history"].as_array().unwrap().iter().filter_map(|entry| entry[key].as_f64()).collect()
    }

    /// Runs the binary, which has to fail with exit code 1 and one line of error, and returns that line.
    pub fn fail(&self, arguments: &str) -> String {
        let output = self.command(arguments).output().unwrap();
        let stderr = stderr(&output);
        assert_eq!(output.status.code(), Some(1), "colburn {arguments}: {}\n{stderr}", output.status);
        assert!(!stderr.contains("panicked"), "{stderr}");
        let errors: Vec<&str> = stderr.lines().filter_map(|line| line.strip_prefix("error: ")).collect();
        assert_eq!(errors.len(), 1, "{stderr}");
        assert!(stderr.trim_end().ends_with(errors[0]), "the error is not the last line: {stderr}");
        errors[0].to_owned()
    }
}

pub fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures")
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

pub fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let place = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &place);
        } else {
            fs::copy(entry.path(), place).unwrap();
        }
    }
}
