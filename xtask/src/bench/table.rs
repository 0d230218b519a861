//! The measurements, as a Markdown table for the terminal and as JSON with every number.

use serde_json::{Value, json};

use super::floor::Rate;

/// One run of one program.
#[derive(Clone, Debug, Default)]
pub struct Sample {
    /// The triplets, documents or queries that were counted, and the seconds that they took.
    pub items: f64,
    pub seconds: f64,
    /// Their tokens, without padding; zero if the program does not report them.
    pub tokens: f64,
    pub peak_mib: Option<f64>,
    /// The rest of the program's report.
    pub report: Value,
}

/// The runs of a workload.
#[derive(Clone, Debug)]
pub struct Row {
    pub name: String,
    /// The unit of the items: triplets, documents or queries.
    pub unit: &'static str,
    pub colburn: Vec<Sample>,
    pub pylate: Vec<Sample>,
    /// The operations of a run's items.
    pub flop: f64,
    /// The reason for which there are no runs.
    pub missing: Option<String>,
}

impl Sample {
    pub fn rate(&self) -> f64 {
        if self.seconds > 0.0 { self.items / self.seconds } else { 0.0 }
    }

    pub fn json(&self) -> Value {
        json!({
            "items": self.items, "seconds": self.seconds, "rate": self.rate(), "tokens": self.tokens,
            "peak_mib": self.peak_mib, "report": self.report,
        })
    }
}

impl Row {
    /// The median of the runs' rates.
    fn rates(samples: &[Sample]) -> Option<f64> {
        median(samples.iter().map(Sample::rate))
    }

    fn peak(samples: &[Sample]) -> Option<f64> {
        median(samples.iter().filter_map(|sample| sample.peak_mib))
    }

    /// The lower bound's share of the time at this rate. All runs of a workload count the same items.
    fn share(&self, samples: &[Sample], machine: Option<&Rate>) -> Option<f64> {
        let items = samples.first().map(|sample| sample.items)?;
        Some(machine?.seconds(self.flop) * Self::rates(samples)? / items).filter(|_| self.flop > 0.0)
    }

    fn tokens_per_second(&self) -> Option<f64> {
        median(self.colburn.iter().filter(|sample| sample.tokens > 0.0).map(|sample| sample.tokens / sample.seconds))
    }

    /// The cells of the columns [`HEADER`]. Without a rate there are no shares of the floor.
    pub fn cells(&self, machine: Option<&Rate>) -> Vec<String> {
        let name = format!("`{}`, {}", self.name, self.unit);
        if let Some(why) = &self.missing {
            return vec![name, why.clone()];
        }
        let runs = |samples: &[Sample]| {
            let each: Vec<String> = samples.iter().map(|sample| significant(sample.rate())).collect();
            Self::rates(samples).map(|middle| format!("{} ({})", significant(middle), each.join(", ")))
        };
        let ratio = |ours: Option<f64>, theirs: Option<f64>| Some(format!("{:.2}", ours? / theirs?));
        let percent = |share: Option<f64>| share.map(|share| format!("{:.0} %", 100.0 * share));
        let mib = |peak: Option<f64>| peak.map(|peak| format!("{peak:.0} MiB"));
        let (ours, theirs) = (&self.colburn, &self.pylate);
        let cells = [
            Some(name),
            runs(ours),
            runs(theirs),
            ratio(Self::rates(ours), Self::rates(theirs)),
            self.tokens_per_second().map(|rate| format!("{rate:.0}")),
            percent(self.share(ours, machine)),
            percent(self.share(theirs, machine)),
            mib(Self::peak(ours)),
            mib(Self::peak(theirs)),
            ratio(Self::peak(ours), Self::peak(theirs)),
        ];
        cells.into_iter().map(Option::unwrap_or_default).collect()
    }

    pub fn json(&self, machine: Option<&Rate>) -> Value {
        let samples = |samples: &[Sample]| samples.iter().map(Sample::json).collect::<Vec<_>>();
        json!({
            "name": self.name, "unit": self.unit, "flop": self.flop, "floor_seconds": machine.map(|machine| machine.seconds(self.flop)), "missing": self.missing,
            "colburn": samples(&self.colburn), "pylate": samples(&self.pylate),
            "colburn_median": Self::rates(&self.colburn), "pylate_median": Self::rates(&self.pylate),
        })
    }
}

pub const HEADER: [&str; 10] = [
    "workload",
    "colburn",
    "PyLate",
    "colburn / PyLate",
    "tokens/s of colburn",
    "share of the floor",
    "of PyLate",
    "peak memory of colburn",
    "of PyLate",
    "colburn / PyLate",
];

/// The table of all workloads.
pub fn markdown(rows: &[Row], machine: &Rate) -> String {
    let lines = rows.iter().map(|row| row.cells(Some(machine)));
    grid(&HEADER.map(str::to_owned), lines.collect())
}

/// A Markdown table. Rows are padded to the width of its head.
pub fn grid(head: &[String], rows: Vec<Vec<String>>) -> String {
    let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
    let mut text = line(head);
    text.push_str(&line(&vec!["---".to_owned(); head.len()]));
    for mut row in rows {
        row.resize(head.len(), String::new());
        text.push_str(&line(&row));
    }
    text
}

/// The median.
pub fn median(numbers: impl Iterator<Item = f64>) -> Option<f64> {
    let mut sorted: Vec<f64> = numbers.collect();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => None,
        count if count % 2 == 1 => Some(sorted[middle]),
        _ => Some(f64::midpoint(sorted[middle - 1], sorted[middle])),
    }
}

/// A number with three significant digits.
pub fn significant(value: f64) -> String {
    let digits = match value.abs() {
        size if size >= 99.95 => 0,
        size if size >= 9.995 => 1,
        size if size >= 0.9995 => 2,
        _ => 3,
    };
    format!("{value:.digits$}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(items: f64, seconds: f64, peak: f64) -> Sample {
        Sample { items, seconds, tokens: 200.0 * items, peak_mib: Some(peak), report: Value::Null }
    }

    fn row() -> Row {
        Row {
            name: "train".into(),
            unit: "triplets/s",
            colburn: vec![sample(96.0, 8.0, 900.0), sample(96.0, 9.6, 1000.0), sample(96.0, 6.0, 1100.0)],
            pylate: vec![sample(96.0, 24.0, 4000.0), sample(96.0, 32.0, 4000.0), sample(96.0, 19.2, 4000.0)],
            flop: 96.0 * 13e9,
            missing: None,
        }
    }

    #[test]
    fn a_line_of_the_table() {
        let machine = Rate { best: 220.0, median: 208.0 };
        let cells = row().cells(Some(&machine));
        assert_eq!(cells.len(), HEADER.len());
        // 12 of 208 / 13 = 16 triplets a second, and 4
        assert_eq!(
            cells[1..],
            [
                "12.0 (12.0, 10.0, 16.0)",
                "4.00 (4.00, 3.00, 5.00)",
                "3.00",
                "2400",
                "75 %",
                "25 %",
                "1000 MiB",
                "4000 MiB",
                "0.25"
            ]
        );
    }

    #[test]
    fn alone_there_is_no_ratio_and_what_is_missing_says_why() {
        let machine = Rate { best: 220.0, median: 208.0 };
        let alone = Row { pylate: Vec::new(), ..row() };
        assert_eq!(alone.cells(Some(&machine))[2..4], ["", ""]);
        assert_eq!(row().cells(None)[5..7], ["", ""]);
        let missing = Row { missing: Some("not available: no bf16".into()), colburn: Vec::new(), ..row() };
        let text = markdown(&[missing], &machine);
        assert!(text.lines().nth(2).unwrap().starts_with("| `train`, triplets/s | not available: no bf16 |"), "{text}");
        assert!(text.lines().all(|line| line.matches('|').count() == HEADER.len() + 1), "{text}");
    }

    #[test]
    fn medians_and_digits() {
        assert_eq!(median([3.0, 1.0, 2.0].into_iter()), Some(2.0));
        assert_eq!(median([4.0, 1.0].into_iter()), Some(2.5));
        assert_eq!(median(std::iter::empty()), None);
        let texts = [1234.5, 99.96, 12.345, 9.999, 1.0, 0.9999, 0.0713].map(significant);
        assert_eq!(texts, ["1234", "100", "12.3", "10.0", "1.00", "1.00", "0.071"]);
    }
}
