//! The terminal that tables are printed to.

use std::env;
use std::io::{self, IsTerminal};

/// The columns of a terminal whose size is not known.
const WIDTH: usize = 80;
/// No table is made narrower.
const NARROWEST: usize = 40;

/// The terminal that tables are printed to, or the file or program in its place.
#[derive(Clone, Copy, Debug)]
pub struct Terminal {
    /// The number of columns.
    pub width: usize,
    /// True if escape codes are understood.
    pub codes: bool,
}

impl Terminal {
    /// The terminal of stdout. `COLUMNS` says its width, else the terminal itself; `NO_COLOR` forbids escape codes.
    pub fn stdout() -> Self {
        let is_terminal = io::stdout().is_terminal();
        let named = env::var("COLUMNS").ok().and_then(|columns| columns.trim().parse().ok()).filter(|width| *width > 0);
        let measured = || terminal_size::terminal_size().map(|(width, _)| usize::from(width.0));
        let measured = || if is_terminal { measured() } else { None };
        let plain = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
            || env::var_os("TERM").is_some_and(|name| name == "dumb");
        Self { width: named.or_else(measured).unwrap_or(WIDTH).max(NARROWEST), codes: is_terminal && !plain }
    }

    /// A heading.
    pub fn heading(self, text: &str) -> String {
        if self.codes { format!("\u{1b}[1m{text}\u{1b}[0m") } else { text.to_owned() }
    }
}
