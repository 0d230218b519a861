//! A table of texts for a terminal.

use unicode_width::UnicodeWidthStr;

use super::shown::shortened;

/// The room between two columns, and in a narrow terminal.
const GAP: usize = 2;
const NARROW_GAP: usize = 1;
/// A column of words is not made narrower.
const NARROWEST: usize = 8;

/// A table: words stand left, numbers right.
pub struct Table {
    /// The names of the columns, and true for columns of words.
    head: Vec<(&'static str, bool)>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table without rows: the names of the columns of words, then of those of numbers.
    pub fn new(words: &[&'static str], numbers: &[&'static str]) -> Self {
        let words = words.iter().map(|name| (*name, true));
        Self { head: words.chain(numbers.iter().map(|name| (*name, false))).collect(), rows: Vec::new() }
    }

    /// Adds a row: a text for each column.
    pub fn push(&mut self, row: Vec<String>) {
        self.rows.push(row);
    }

    /// True if there are no rows.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The lines, of at most `width` cells if columns of words can be made narrow enough for it.
    pub fn lines(&self, width: usize) -> Vec<String> {
        let widths = |gap: usize| self.widths(width, gap);
        let (widths, gap) = match widths(GAP) {
            (widths, true) => (widths, GAP),
            (_, false) => (widths(NARROW_GAP).0, NARROW_GAP),
        };
        let head = self.head.iter().map(|(name, _)| (*name).to_owned()).collect();
        std::iter::once(&head).chain(&self.rows).map(|row| self.line(row, &widths, gap)).collect()
    }

    /// The width of each column, and true if a line fits.
    fn widths(&self, width: usize, gap: usize) -> (Vec<usize>, bool) {
        let natural = |(at, (name, _)): (usize, &(&str, bool))| {
            self.rows.iter().map(|row| row[at].width()).chain([name.width()]).max().unwrap_or(0)
        };
        let mut widths: Vec<usize> = self.head.iter().enumerate().map(natural).collect();
        let room = width.saturating_sub(gap * self.head.len().saturating_sub(1));
        let mut over = widths.iter().sum::<usize>().saturating_sub(room);
        // The widest column of words gives way first.
        while over > 0 {
            let words = (0..widths.len()).filter(|&at| self.head[at].1 && widths[at] > NARROWEST);
            let Some(widest) = words.max_by_key(|&at| widths[at]) else { break };
            widths[widest] -= 1;
            over -= 1;
        }
        (widths, over == 0)
    }

    fn line(&self, row: &[String], widths: &[usize], gap: usize) -> String {
        let mut line = String::new();
        for ((cell, &width), (_, words)) in row.iter().zip(widths).zip(&self.head) {
            let cell = shortened(cell, width);
            let room = " ".repeat(width.saturating_sub(cell.width()));
            line.push_str(&if *words { format!("{cell}{room}") } else { format!("{room}{cell}") });
            line.push_str(&" ".repeat(gap));
        }
        line.trim_end().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_fits_the_terminal() {
        let mut table = Table::new(&["column", "type"], &["rows"]);
        table.push(["a very long name of a column", "text", "1"].map(String::from).to_vec());
        table.push(["日本語", "list of texts", "1,000"].map(String::from).to_vec());
        assert_eq!(
            table.lines(80),
            [
                "column                        type            rows",
                "a very long name of a column  text               1",
                "日本語                        list of texts  1,000",
            ]
        );
        assert_eq!(
            table.lines(32),
            [
                "column        type          rows",
                "a very long…  text             1",
                "日本語        list of te…  1,000",
            ]
        );
        assert!(table.lines(32).iter().all(|line| line.width() <= 32));
        // Numbers are never cut.
        assert!(table.lines(10).iter().skip(2).all(|line| line.ends_with("1,000")));
    }
}
