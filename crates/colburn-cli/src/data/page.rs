//! The result of a look at data as tables for a terminal.

use colburn::model::Kind;
use unicode_width::UnicodeWidthStr;

use super::checks::Found;
use super::report::{CheckReport, Count, Example, Report};
use super::shown::{bytes, counted, escaped, first_lines, grouped, percent, shortened, wrapped};
use super::statistics::Number;
use super::table::Table;
use super::terminal::Terminal;

/// The most files that are named.
const FILES: usize = 5;
/// The most lines of a value of a row.
const LINES: usize = 3;
const INDENT: usize = 2;

/// The lines of the page, each as wide as the terminal at most.
pub fn lines(report: &Report, terminal: Terminal) -> Vec<String> {
    let mut page = Page { lines: Vec::new(), terminal };
    page.lines.push(terminal.heading(&escaped(&report.source)));
    page.text(&summary(report));
    page.files(report);
    page.columns(report);
    page.lengths(report);
    page.numbers(report);
    page.tokens(report);
    if let Some(checks) = &report.checks {
        page.checks(checks, report.rows);
    }
    page.examples(&report.examples);
    page.lines
}

/// The number of rows, their kind, and the files.
fn summary(report: &Report) -> String {
    let mut formats: Vec<&str> = report.files.iter().map(|file| file.format).collect();
    formats.sort_unstable();
    formats.dedup();
    let compressed = report.files.iter().any(|file| file.compressed);
    let size: u64 = report.files.iter().map(|file| file.bytes).sum();
    let files = counted(report.files.len() as u64, "file");
    let compressed = if compressed { ", compressed" } else { "" };
    format!("{} in {files} ({}{compressed}, {})", counted(report.rows, "row"), formats.join(" and "), bytes(size))
}

struct Page {
    lines: Vec<String>,
    terminal: Terminal,
}

impl Page {
    fn width(&self) -> usize {
        self.terminal.width - INDENT
    }

    fn push(&mut self, line: &str) {
        self.lines.push(format!("{}{line}", " ".repeat(INDENT)).trim_end().to_owned());
    }

    fn text(&mut self, text: &str) {
        wrapped(text, self.width()).iter().for_each(|line| self.push(line));
    }

    fn section(&mut self, title: &str) {
        self.lines.push(String::new());
        self.lines.push(self.terminal.heading(title));
    }

    fn table(&mut self, title: &str, table: &Table) {
        if !table.is_empty() {
            self.section(title);
            table.lines(self.width()).iter().for_each(|line| self.push(line));
        }
    }

    fn files(&mut self, report: &Report) {
        if report.files.len() > 1 {
            for file in report.files.iter().take(FILES) {
                self.text(&format!("{} ({})", escaped(&file.path), bytes(file.bytes)));
            }
            if report.files.len() > FILES {
                self.push(&format!("… and {} more", grouped((report.files.len() - FILES) as u64)));
            }
        }
    }

    fn columns(&mut self, report: &Report) {
        let mut table = Table::new(&["column", "type", "role"], &["missing", "empty", "distinct"]);
        for column in &report.columns {
            let words = [escaped(&column.name), column.of.clone(), column.role.to_owned()];
            let numbers = [grouped(column.missing), grouped(column.empty), shown(column.distinct)];
            table.push(words.into_iter().chain(numbers).collect());
        }
        self.table(&format!("Columns: {}", report.kind), &table);
        let problem = report.problem.iter().map(|problem| format!("No roles: {problem}"));
        for line in problem.chain(report.warnings.iter().map(|warning| format!("Warning: {warning}"))) {
            self.lines.push(String::new());
            self.text(&escaped(&line));
        }
    }

    fn lengths(&mut self, report: &Report) {
        let mut table = Table::new(&["column", "length in"], &["p50", "p95", "max"]);
        for column in &report.columns {
            for (unit, lengths) in [("characters", column.characters), ("values", column.values)] {
                if let Some(lengths) = lengths {
                    let numbers = [lengths.p50, lengths.p95, lengths.max].map(|length| grouped(length as u64));
                    table.push([escaped(&column.name), unit.to_owned()].into_iter().chain(numbers).collect());
                }
            }
        }
        self.table("Lengths", &table);
    }

    fn numbers(&mut self, report: &Report) {
        let mut table = Table::new(&["column"], &["smallest", "largest", "NaN"]);
        for column in &report.columns {
            if let Some(range) = column.numbers {
                let ends = [range.smallest, range.largest].map(number);
                table.push(
                    std::iter::once(escaped(&column.name)).chain(ends).chain([grouped(column.not_a_number)]).collect(),
                );
            }
        }
        self.table("Numbers", &table);
    }

    fn tokens(&mut self, report: &Report) {
        let mut table = Table::new(&["column", "as"], &["p50", "p95", "p99", "max", "limit", "cut", "unknown"]);
        for column in &report.tokens {
            let name = match &column.title {
                Some(title) => format!("{} {}", escaped(title), escaped(&column.column)),
                None => escaped(&column.column),
            };
            let kind = if column.kind == Kind::Query { "query" } else { "document" };
            let lengths = [column.p50, column.p95, column.p99, column.max, column.limit];
            let lengths = lengths.map(|length| grouped(length as u64));
            let shares = [percent(column.cut, column.texts), percent(column.unknown, column.tokens)];
            table.push([name, kind.to_owned()].into_iter().chain(lengths).chain(shares).collect());
        }
        let model = report.model.as_deref().map(escaped).unwrap_or_default();
        self.table(&format!("Tokens of {model}"), &table);
    }

    fn checks(&mut self, checks: &CheckReport, rows: u64) {
        let queries = checks.duplicated_queries;
        let shares = |count: u64| format!("{} ({})", grouped(count), percent(count, rows));
        let about = if queries.exact || queries.count == 0 { "" } else { "about " };
        let duplicated = Found { rows: queries.count, first: None };
        let mut table = Table::new(&["rows", "count", "first"], &[]);
        for (title, found, about) in [
            ("with a missing or empty text", &checks.rows.missing_text, ""),
            ("with the query of a row before", &duplicated, about),
            ("whose query is the positive", &checks.rows.query_is_positive, ""),
            ("whose positive is a negative, too", &checks.rows.positive_is_negative, ""),
        ] {
            let count = if found.rows == 0 { "none".to_owned() } else { format!("{about}{}", shares(found.rows)) };
            table.push(vec![title.to_owned(), count, found.first.as_deref().map(escaped).unwrap_or_default()]);
        }
        self.table("Doubtful rows", &table);
    }

    fn examples(&mut self, examples: &[Example]) {
        for example in examples {
            self.section(&escaped(&example.place));
            let names: Vec<String> = example.values.keys().map(|name| escaped(name)).collect();
            let widest = names.iter().map(|name| name.width()).max().unwrap_or(0);
            let widest = widest.min(self.width() / 3);
            for (name, value) in names.iter().zip(example.values.values()) {
                let value = of_value(value);
                let room = self.width().saturating_sub(widest + 2);
                let name = shortened(name, widest);
                let gap = widest - name.width();
                let mut start = format!("{name}{}", " ".repeat(gap + 2));
                for line in first_lines(&value, room, LINES) {
                    self.push(&format!("{start}{line}"));
                    start = " ".repeat(widest + 2);
                }
            }
        }
    }
}

/// A value of a row. A text stands without quotes, unless nothing of it could be seen.
fn of_value(value: &serde_json::Value) -> String {
    match value {
        serde_json::Value::String(text) if text.trim().is_empty() => format!("\"{}\"", escaped(text)),
        serde_json::Value::String(text) => escaped(text),
        serde_json::Value::Array(values) => {
            let values: Vec<String> = values.iter().map(|value| escaped(&value.to_string())).collect();
            format!("[{}]", values.join(", "))
        }
        other => escaped(&other.to_string()),
    }
}

fn shown(count: Count) -> String {
    format!("{}{}", if count.exact { "" } else { "about " }, grouped(count.count))
}

fn number(number: Number) -> String {
    match number {
        Number::Integer(integer) => integer.to_string(),
        Number::Float(float) => {
            let short = format!("{float:.6}");
            let short = short.trim_end_matches('0').trim_end_matches('.');
            let is_plain = short.len() < 16 && short.parse() == Ok(float);
            if is_plain { short.to_owned() } else { format!("{float:.4e}") }
        }
    }
}
