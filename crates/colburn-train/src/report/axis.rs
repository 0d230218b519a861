//! Axes and numbers for human eyes: round ticks, labels with as many digits as tell them apart.

/// Ticks at even distances, with a label each.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Axis {
    /// Where the axis begins.
    pub low: f64,
    /// Where it ends; above `low`.
    pub high: f64,
    /// Values and what is written at them, ascending.
    pub ticks: Vec<(f64, String)>,
}

impl Axis {
    /// An axis for values from `low` to `high`, which begins and ends at a tick. It begins at 0 where that costs little room.
    pub fn values(low: f64, high: f64) -> Self {
        // Numbers whose distance is a number, too.
        let (mut low, mut high) = (low.clamp(-1e300, 1e300), high.clamp(-1e300, 1e300));
        if low > 0.0 && low <= 0.35 * high {
            low = 0.0;
        }
        let size = low.abs().max(high.abs());
        if high - low <= 1e-9 * size {
            let room = if size == 0.0 { 1.0 } else { 0.1 * size };
            (low, high) = (if low == 0.0 { 0.0 } else { low - room }, high + room);
        }
        let step = round_step((high - low) / 4.0);
        let (first, last) = ((low / step + 1e-9).floor(), (high / step - 1e-9).ceil());
        let ticks: Vec<f64> =
            (0..=(last - first).max(1.0) as u32).map(|tick| (first + f64::from(tick)) * step).collect();
        let last = ticks[ticks.len() - 1];
        Self { low: first * step, high: last, ticks: labelled(&ticks, step) }
    }

    /// An axis of steps from 0 to the last one, whose ticks are whole numbers within it.
    pub fn steps(last: f64) -> Self {
        let high = last.max(1.0);
        // Labels of many digits need more room.
        let step = round_step(high / if high < 1000.0 { 5.0 } else { 4.0 }).max(1.0);
        let step = if step == 2.5 { 5.0 } else { step };
        let ticks: Vec<f64> = (0..=(high / step) as u32).map(|tick| f64::from(tick) * step).collect();
        Self { low: 0.0, high, ticks: labelled(&ticks, step) }
    }

    /// How far along the axis a value lies, from 0 to 1.
    pub fn place(&self, value: f64) -> f64 {
        ((value - self.low) / (self.high - self.low)).clamp(0.0, 1.0)
    }
}

/// The next larger one of 1, 2, 2.5, 5 times a power of ten.
fn round_step(step: f64) -> f64 {
    let power = 10f64.powf(step.log10().floor());
    let factor = [1.0, 2.0, 2.5, 5.0].into_iter().find(|factor| factor * power >= step * 0.999).unwrap_or(10.0);
    factor * power
}

/// Labels that all have the digits that their distance needs.
fn labelled(ticks: &[f64], step: f64) -> Vec<(f64, String)> {
    let largest = ticks.iter().fold(0.0f64, |largest, tick| largest.max(tick.abs()));
    let exponent = largest.log10().floor();
    // 2.5 has a digit more than its power of ten.
    let digits = |step: f64| (-step.log10().floor()).max(0.0) as usize + usize::from(is_quarter(step));
    let label = |tick: f64| match tick {
        tick if tick.abs() < step / 2.0 => "0".to_owned(),
        tick if (1e6..1e9).contains(&largest) => format!("{:.*}M", digits(step / 1e6), tick / 1e6),
        tick if largest >= 1e9 || (digits(step) > 3 && largest < 0.01) => {
            let power = 10f64.powf(exponent);
            format!("{:.*}e{exponent}", digits(step / power), tick / power)
        }
        tick => separated(&format!("{tick:.*}", digits(step))),
    };
    ticks.iter().map(|tick| (*tick, label(*tick).replace('-', "−").replace("e−", "e-"))).collect()
}

fn is_quarter(step: f64) -> bool {
    let factor = step / 10f64.powf(step.log10().floor());
    (2.4..2.6).contains(&factor) && step < 10.0
}

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
fn separated(text: &str) -> String {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(axis: &Axis) -> Vec<&str> {
        axis.ticks.iter().map(|(_, label)| label.as_str()).collect()
    }

    #[test]
    fn ticks_are_round_and_enclose_the_values() {
        for (low, high, expected) in [
            (1.31, 3.05, vec!["1.0", "1.5", "2.0", "2.5", "3.0", "3.5"]),
            (0.6, 3.05, vec!["0", "1", "2", "3", "4"]),
            (0.0, 5e-5, vec!["0", "2e-5", "4e-5", "6e-5"]),
            (0.0, 4e-4, vec!["0", "1e-4", "2e-4", "3e-4", "4e-4"]),
            (0.9001, 0.9004, vec!["0.9001", "0.9002", "0.9003", "0.9004"]),
            (0.87, 0.93, vec!["0.86", "0.88", "0.90", "0.92", "0.94"]),
            (0.0, 1.0, vec!["0", "0.25", "0.50", "0.75", "1.00"]),
            (-0.4, 0.4, vec!["−0.4", "−0.2", "0", "0.2", "0.4"]),
            (4000.0, 21_000.0, vec!["0", "10,000", "20,000", "30,000"]),
            (2e6, 3.1e6, vec!["2.0M", "2.5M", "3.0M", "3.5M"]),
            (0.5, 0.5, vec!["0.450", "0.475", "0.500", "0.525", "0.550"]),
            (0.0, 0.0, vec!["0", "0.25", "0.50", "0.75", "1.00"]),
            (-2e12, 1e12, vec!["−2e12", "−1e12", "0", "1e12"]),
        ] {
            let axis = Axis::values(low, high);
            assert_eq!(labels(&axis), expected, "{low} to {high}");
            assert!(axis.low <= low && axis.high >= high, "{axis:?}");
        }
    }

    #[test]
    fn no_values_break_an_axis() {
        let odd = [f64::MIN, -1e-300, 0.0, f64::MIN_POSITIVE, 1e-12, 1.0, 1.0 + f64::EPSILON, 1e15, f64::MAX];
        for (at, low) in odd.iter().enumerate() {
            for high in &odd[at..] {
                let axis = Axis::values(*low, *high);
                assert!((2..=12).contains(&axis.ticks.len()), "{low} to {high}: {axis:?}");
                assert!(axis.high > axis.low && axis.place(*low) <= axis.place(*high), "{low} to {high}: {axis:?}");
            }
        }
    }

    #[test]
    fn steps_are_whole_numbers() {
        for (last, expected) in [
            (0.0, vec!["0", "1"]),
            (3.0, vec!["0", "1", "2", "3"]),
            (8.0, vec!["0", "2", "4", "6", "8"]),
            (10.0, vec!["0", "2", "4", "6", "8", "10"]),
            (12.0, vec!["0", "5", "10"]),
            (120.0, vec!["0", "25", "50", "75", "100"]),
            (300.0, vec!["0", "100", "200", "300"]),
            (15_625.0, vec!["0", "5,000", "10,000", "15,000"]),
        ] {
            assert_eq!(labels(&Axis::steps(last)), expected, "{last}");
        }
        assert_eq!(Axis::steps(300.0).place(150.0), 0.5);
    }

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
}
