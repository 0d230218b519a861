//! Numbers, durations and dates for readers.

use crate::host;

/// A number for reading: at most four digits behind the point, or behind the first one of a small or a very large number.
pub(super) fn number(value: f64) -> String {
    let size = value.abs();
    let text = match size {
        _ if !value.is_finite() => return value.to_string(),
        0.0 => return "0".to_owned(),
        size if !(1e-3..1e12).contains(&size) => {
            let text = format!("{value:.3e}");
            let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
            return format!("{}e{exponent}", trimmed(digits)).replacen('-', if value < 0.0 { "−" } else { "-" }, 1);
        }
        size if size >= 10_000.0 => format!("{value:.0}"),
        size if size >= 100.0 => trimmed(&format!("{value:.1}")).to_owned(),
        _ => trimmed(&format!("{value:.4}")).to_owned(),
    };
    separated(&text).replace('-', "−")
}

fn trimmed(digits: &str) -> &str {
    if digits.contains('.') { digits.trim_end_matches('0').trim_end_matches('.') } else { digits }
}

/// A comma before every three digits of the whole part.
pub(super) fn separated(text: &str) -> String {
    let (whole, rest) = text.split_at(text.find('.').unwrap_or(text.len()));
    let (sign, digits) = whole.split_at(usize::from(whole.starts_with('-')));
    let groups: Vec<&str> = {
        let first = digits.len() % 3;
        let (head, tail) = digits.split_at(first);
        let groups = (0..tail.len()).step_by(3).map(|at| &tail[at..at + 3]);
        std::iter::once(head).filter(|head| !head.is_empty()).chain(groups).collect()
    };
    format!("{sign}{}{rest}", groups.join(","))
}

/// A time for reading: `1 h 23 min`, `4 min 5 s`, `12.3 s`.
pub(super) fn duration(seconds: f64) -> String {
    let whole = seconds.round().max(0.0) as u64;
    match (whole / 86_400, whole / 3600 % 24, whole / 60 % 60) {
        (0, 0, 0) if whole < 60 => format!("{seconds:.1} s"),
        (0, 0, minutes) => format!("{minutes} min {} s", whole % 60),
        (0, hours, minutes) => format!("{hours} h {minutes} min"),
        (days, hours, _) => format!("{} d {hours} h", separated(&days.to_string())),
    }
}

/// `23 November 2026, 11:12 UTC`
pub(super) fn day_and_time(seconds: f64) -> String {
    let date = host::date(seconds);
    format!("{} {} {}, {:02}:{:02} UTC", date.day(), date.month(), date.year(), date.hour(), date.minute())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short() {
        let found = [
            0.0,
            1.0 / 3.0,
            0.87,
            -0.5,
            3.0,
            123.456,
            5419.96,
            33_360_000.0,
            3e-6,
            -2.571_428e-5,
            1e15,
            f64::NAN,
            1234.0,
        ]
        .map(number);
        let expected = [
            "0",
            "0.3333",
            "0.87",
            "−0.5",
            "3",
            "123.5",
            "5,420",
            "33,360,000",
            "3e-6",
            "−2.571e-5",
            "1e15",
            "NaN",
            "1,234",
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn times_are_short() {
        let found = [0.26, 59.4, 59.96, 74.2, 3600.0, 90_061.0].map(duration);
        assert_eq!(found, ["0.3 s", "59.4 s", "1 min 0 s", "1 min 14 s", "1 h 0 min", "1 d 1 h"]);
    }

    #[test]
    fn dates_have_the_name_of_their_month() {
        assert_eq!(day_and_time(1_795_432_415.0), "23 November 2026, 11:13 UTC");
    }
}
