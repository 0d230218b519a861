//! The command line of `cargo xtask`. The standard library alone reads it, so that the tasks build in seconds.

use crate::result::Result;

/// The arguments not read yet.
pub struct Arguments(Vec<String>);

impl Arguments {
    pub fn from_env() -> Self {
        Self(std::env::args().skip(1).collect())
    }

    /// The words of a line, for tests.
    #[cfg(test)]
    pub fn of(line: &str) -> Self {
        Self(line.split_whitespace().map(str::to_owned).collect())
    }

    /// Takes the first argument, the name of the command.
    pub fn command(&mut self) -> Option<String> {
        if self.0.is_empty() { None } else { Some(self.0.remove(0)) }
    }

    /// Takes `NAME VALUE` or `NAME=VALUE`.
    pub fn option(&mut self, name: &str) -> Result<Option<String>> {
        let prefix = format!("{name}=");
        if let Some(at) = self.0.iter().position(|argument| argument.starts_with(&prefix)) {
            return Ok(Some(self.0.remove(at)[prefix.len()..].to_owned()));
        }
        let Some(at) = self.0.iter().position(|argument| argument == name) else {
            return Ok(None);
        };
        self.0.remove(at);
        if at == self.0.len() || self.0[at].starts_with("--") {
            return Err(format!("{name} needs a value"));
        }
        Ok(Some(self.0.remove(at)))
    }

    /// Takes `NAME NUMBER`, a whole number that is at least `least`.
    pub fn number(&mut self, name: &str, default: usize, least: usize) -> Result<usize> {
        let Some(text) = self.option(name)? else { return Ok(default) };
        let value = text.parse().ok().filter(|&value| value >= least);
        value.ok_or_else(|| format!("{name} {text}: a whole number from {least} is needed"))
    }

    /// Takes all of `NAME A,B` and `NAME A NAME B`, and returns the items.
    pub fn list(&mut self, name: &str) -> Result<Vec<String>> {
        let mut items = Vec::new();
        while let Some(text) = self.option(name)? {
            items.extend(text.split(',').map(str::to_owned));
        }
        Ok(items)
    }

    /// Fails if an argument is left that the command does not read.
    pub fn finish(self) -> Result<()> {
        match self.0.first() {
            None => Ok(()),
            Some(rest) => Err(format!("unexpected argument `{rest}`")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Arguments;

    #[test]
    fn options_are_taken_in_any_order_and_both_spellings() {
        let mut given = Arguments::of("parity --minilm=/models/minilm --device flex");
        assert_eq!(given.command().as_deref(), Some("parity"));
        assert_eq!(given.option("--device"), Ok(Some("flex".into())));
        assert_eq!(given.option("--minilm"), Ok(Some("/models/minilm".into())));
        assert_eq!(given.option("--python"), Ok(None));
        assert_eq!(given.finish(), Ok(()));
    }

    #[test]
    fn numbers_and_lists_are_read() {
        let mut given = Arguments::of("--runs 3 --only a,b --steps 0 --only c");
        assert_eq!(given.number("--runs", 1, 1), Ok(3));
        assert_eq!(given.number("--warmup", 2, 0), Ok(2));
        assert!(given.number("--steps", 6, 1).is_err());
        assert_eq!(given.list("--only"), Ok(["a", "b", "c"].map(str::to_owned).to_vec()));
        assert_eq!(given.list("--only"), Ok(Vec::new()));
    }

    #[test]
    fn a_missing_value_and_a_surplus_argument_are_errors() {
        assert!(Arguments::of("--device").option("--device").is_err());
        assert!(Arguments::of("--device --minilm").option("--device").is_err());
        assert!(Arguments::of("surplus").finish().is_err());
    }
}
