//! The text of a run: a file and the assignments of `--set`, with the place of each part for messages.
//!
//! Positions count the bytes of the file, then those of the assignments, so that one number says where a key or a value stands.

use crate::Error;

/// A section that a run can have.
pub struct KnownSection {
    pub name: &'static str,
    /// True if the section, or one of its types, has a key.
    pub has: fn(&str) -> bool,
}

/// The file of a run and the assignments of `--set`.
pub struct RunText<'a> {
    /// The file as it was named on the command line.
    pub file: &'a str,
    pub text: &'a str,
    pub assignments: &'a [String],
    /// The sections that a run can have, for hints.
    pub sections: &'a [KnownSection],
}

impl RunText<'_> {
    /// The position of an assignment.
    pub fn start(&self, assignment: usize) -> usize {
        // One position between the parts, because an error at the end of a part stands behind it.
        self.text.len() + 1 + self.assignments[..assignment].iter().map(|before| before.len() + 1).sum::<usize>()
    }

    /// `FILE:LINE`, or the assignment.
    pub fn place(&self, position: usize) -> String {
        let starts = (0..self.assignments.len()).take_while(|&at| self.start(at) <= position);
        match starts.last() {
            Some(assignment) => format!("--set {}", self.assignments[assignment]),
            None => {
                let before = &self.text.as_bytes()[..position.min(self.text.len())];
                let line = 1 + before.iter().filter(|byte| **byte == b'\n').count();
                format!("{}:{line}", self.file)
            }
        }
    }

    /// An error about the whole run.
    pub fn wrong(&self, message: impl Into<String>) -> Error {
        Error::Run { place: self.file.to_owned(), message: message.into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_is_a_line_or_an_assignment() {
        let assignments = ["a.b=1".to_owned(), "c.d=2".to_owned()];
        let run_text = RunText { file: "RUN.toml", text: "one\ntwo", assignments: &assignments, sections: &[] };
        for (position, place) in [(0, "RUN.toml:1"), (3, "RUN.toml:1"), (4, "RUN.toml:2"), (7, "RUN.toml:2")] {
            assert_eq!(run_text.place(position), place);
        }
        for (assignment, place) in [(0, "--set a.b=1"), (1, "--set c.d=2")] {
            let start = run_text.start(assignment);
            assert_eq!((run_text.place(start), run_text.place(start + 5)), (place.to_owned(), place.to_owned()));
        }
    }
}
