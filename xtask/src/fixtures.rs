//! `cargo xtask fixtures`: PyLate itself computes the parity fixtures, so this needs a Python with PyLate. The script is in
//! `xtask/fixtures`; its output is committed, so the tests need no Python.

use std::path::Path;
use std::process::Command;

use crate::process::{self, repository};
use crate::result::Result;

const SCRIPT: &str = "xtask/fixtures/make_fixtures.py";

const HOW: &str = "\
The fixtures under tests/fixtures hold what PyLate computed; xtask/fixtures/README.md says how. To make them again:

  python3 -m venv pylate-env
  pylate-env/bin/pip install -r xtask/fixtures/requirements.txt
  cargo xtask fixtures --python pylate-env/bin/python

The versions are pinned and everything is seeded, so a second run differs in a float's last digits at most. Commit what
changed together with the reason.";

pub fn run(python: Option<&Path>) -> Result<()> {
    let Some(python) = python else {
        println!("{HOW}");
        return Ok(());
    };
    if !process::succeeds(Command::new(python).args(["-c", "import pylate"])) {
        return Err(format!("{} cannot import pylate\n\n{HOW}", python.display()));
    }
    process::run("fixtures", Command::new(python).arg(SCRIPT).current_dir(repository()))?;
    Ok(())
}
