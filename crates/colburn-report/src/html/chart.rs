//! A series as a figure: lines as SVG that stretches with the page, labels as text that does not, over axes with round ticks.
//!
//! An SVG with its own labels would shrink them to nothing on a phone. So the SVG holds lines only, in coordinates of 0 to 1000 both ways
//! (`preserveAspectRatio="none"`, strokes that do not scale), and labels are placed beside it in percent. The markup is in `figure.html`.

use serde::Serialize;
use serde_json::json;

use super::format::{number, separated};
use super::series::{Point, Series, thinned, title};

/// Width and height of the drawing.
const SIZE: f64 = 1000.0;

/// The largest number of points that get a dot each.
const DOTS: usize = 25;

/// Ticks at even distances, with a label each.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Axis {
    /// Where the axis begins.
    pub low: f64,
    /// Where it ends; above `low`.
    pub high: f64,
    /// Values and their labels, ascending.
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

    /// The place of a value along the axis, from 0 to 1.
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

/// Labels with as many digits as their distance needs.
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

/// The style of a figure.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Style {
    /// True if it is as wide as the page.
    pub wide: bool,
    /// True if it has a smoothed line, if there are points enough.
    pub smooth: bool,
    /// The step of the best value.
    pub best: Option<f64>,
}

/// A figure, as its template shows it.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Chart {
    wide: bool,
    title: String,
    caption: Caption,
    /// The chart for those who do not see it.
    description: String,
    /// The width of the labels beside it, in characters.
    label_width: usize,
    y_labels: Vec<Label>,
    x_labels: Vec<Label>,
    paths: Vec<Path>,
    data: String,
}

/// The text beside the title: the most important numbers, and warnings.
#[derive(Clone, Debug, Default, Serialize)]
struct Caption {
    /// The best value, and its step.
    best: Option<(String, String)>,
    /// Words before the value.
    lead: Option<String>,
    value: Option<String>,
    /// True if the two lines are explained.
    legend: bool,
    not_finite: usize,
}

/// A label at a place in percent.
#[derive(Clone, Debug, Serialize)]
struct Label {
    at: String,
    text: String,
}

/// Lines or dots of one look.
#[derive(Clone, Debug, Serialize)]
struct Path {
    class: &'static str,
    d: String,
}

impl Chart {
    /// The figure of a series, over an axis of steps that it shares with others.
    pub fn new(series: &Series, steps: &Axis, style: Style) -> Self {
        let (low, high) =
            series.finite().fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), y| (low.min(y), high.max(y)));
        let values = if low <= high { Axis::values(low, high) } else { Axis::values(0.0, 1.0) };
        let smooth = series.smoothed().filter(|_| style.smooth);
        let kept = thinned(&series.points, if style.wide { 800 } else { 400 });
        let raw = Trace::new("each log", series, &kept, steps, &values);
        let smooth_trace = smooth.as_ref().map(|smooth| Trace::new("smoothed", smooth, &kept, steps, &values));
        let mut paths = vec![Path { class: "grid", d: grid(&values) }];
        paths.extend(lines(&raw, smooth_trace.as_ref(), style.best));
        paths.retain(|path| !path.d.is_empty());
        let traces: Vec<Trace> = std::iter::once(raw).chain(smooth_trace).collect();
        Self {
            wide: style.wide,
            title: title(&series.key),
            caption: caption(series, smooth.as_ref(), style),
            description: description(series),
            label_width: values.ticks.iter().map(|(_, label)| label.chars().count()).max().unwrap_or(1).max(4),
            y_labels: labels(&values),
            x_labels: labels(steps),
            paths,
            data: data(&traces),
        }
    }
}

fn lines(raw: &Trace, smooth: Option<&Trace>, best: Option<f64>) -> Vec<Path> {
    let mut paths = vec![
        Path { class: "nan", d: verticals(&raw.places) },
        Path { class: if smooth.is_some() { "raw" } else { "line" }, d: line(&raw.places) },
    ];
    paths.extend(smooth.map(|smooth| Path { class: "line", d: line(&smooth.places) }));
    let few = smooth.is_none() && raw.places.len() <= DOTS;
    paths.push(Path { class: "dots", d: if few { dots(&raw.places) } else { lonely(&raw.places) } });
    let best = raw.places.iter().zip(&raw.points).filter(|(_, point)| Some(point.step) == best);
    paths.push(Path { class: "best", d: dots(best.map(|(place, _)| place)) });
    paths
}

fn caption(series: &Series, smooth: Option<&Series>, style: Style) -> Caption {
    let finite = series.finite().count();
    let best = style.best.and_then(|step| series.points.iter().find(|point| point.step == step));
    let mean = || series.finite().sum::<f64>() / finite as f64;
    let of = |lead: &str, value: f64| Caption {
        lead: Some(lead.to_owned()),
        value: Some(number(value)),
        ..Caption::default()
    };
    let caption = match (best, smooth.unwrap_or(series).ends(), series.key.as_str()) {
        (_, None, _) => Caption::default(),
        (Some(Point { step, value, .. }), ..) => {
            Caption { best: Some((number(*value), number(*step))), ..Caption::default() }
        }
        (_, Some((_, only)), _) if series.points.len() == 1 => {
            Caption { value: Some(number(only)), ..Caption::default() }
        }
        (.., "learning_rate") => of("peak", series.finite().fold(0.0, f64::max)),
        (.., key) if key == "grad_norm" || key.ends_with("_per_second") => of("mean", mean()),
        (_, Some((first, last)), _) => of(&format!("{} →", number(first)), last),
    };
    Caption { legend: style.wide && smooth.is_some(), not_finite: series.points.len() - finite, ..caption }
}

fn description(series: &Series) -> String {
    let name = title(&series.key);
    match (series.points.as_slice(), series.ends()) {
        ([first, .., last], Some((from, to))) => {
            let (start, end) = (number(first.step), number(last.step));
            format!("{name} from {} at step {start} to {} at step {end}", number(from), number(to))
        }
        ([only], Some((value, _))) => format!("{name}: {} at step {}", number(value), number(only.step)),
        _ => name,
    }
}

fn labels(axis: &Axis) -> Vec<Label> {
    let label =
        |(value, text): &(f64, String)| Label { at: tenth(100.0 * axis.place(*value)).to_string(), text: text.clone() };
    axis.ticks.iter().map(label).collect()
}

/// A line of the drawing: the points of a series that are kept, and where they lie.
struct Trace {
    name: &'static str,
    points: Vec<Point>,
    places: Vec<Place>,
}

impl Trace {
    fn new(name: &'static str, series: &Series, kept: &[usize], steps: &Axis, values: &Axis) -> Self {
        let points: Vec<Point> = kept.iter().map(|kept| series.points[*kept]).collect();
        let place = |point: &Point| Place {
            x: SIZE * steps.place(point.step),
            y: point.value.is_finite().then(|| SIZE * (1.0 - values.place(point.value))),
        };
        Self { name, places: points.iter().map(place).collect(), points }
    }
}

/// The data of the script that shows values at the pointer, as JSON: for each point its place, its step and epoch, and the place and value of
/// each line there.
fn data(traces: &[Trace]) -> String {
    let names: Vec<&str> = if traces.len() > 1 { traces.iter().map(|trace| trace.name).collect() } else { vec![""] };
    let values = |at: usize| -> Vec<_> {
        traces.iter().map(|trace| json!([trace.places[at].y.map(tenth), number(trace.points[at].value)])).collect()
    };
    let point = |(at, (point, place)): (usize, (&Point, &Place))| {
        json!([tenth(place.x), number(point.step), format!("{:.2}", point.epoch), values(at)])
    };
    let first = traces.iter().take(1).flat_map(|trace| trace.points.iter().zip(&trace.places));
    json!({"names": names, "points": first.enumerate().map(point).collect::<Vec<_>>()}).to_string()
}

/// A point of the drawing; no `y` for a value that is not finite.
#[derive(Clone, Copy)]
struct Place {
    x: f64,
    y: Option<f64>,
}

fn grid(values: &Axis) -> String {
    let line = |(value, _): &(f64, String)| format!("M0 {}H{SIZE}", tenth(SIZE * (1.0 - values.place(*value))));
    values.ticks.iter().map(line).collect()
}

/// Lines through neighbouring points; a value that is not finite is a gap.
fn line(places: &[Place]) -> String {
    let mut path = String::new();
    let mut drawing = false;
    for place in places {
        if let Some(y) = place.y {
            path += &format!("{}{} {}", if drawing { 'L' } else { 'M' }, tenth(place.x), tenth(y));
        }
        drawing = place.y.is_some();
    }
    path
}

/// Lines of no length: their round ends are dots, whatever way the drawing is stretched.
fn dots<'a>(places: impl IntoIterator<Item = &'a Place>) -> String {
    let dot = |place: &Place| Some(format!("M{} {}h0", tenth(place.x), tenth(place.y?)));
    places.into_iter().filter_map(dot).collect()
}

/// Points between two gaps, through which no line goes.
fn lonely(places: &[Place]) -> String {
    let gap = |at: Option<usize>| at.and_then(|at| places.get(at)).is_none_or(|place| place.y.is_none());
    let lonely = |at: &usize| gap(at.checked_sub(1)) && gap(Some(at + 1));
    dots((0..places.len()).filter(lonely).map(|at| &places[at]))
}

fn verticals(places: &[Place]) -> String {
    places.iter().filter(|place| place.y.is_none()).map(|place| format!("M{} 0V{SIZE}", tenth(place.x))).collect()
}

fn tenth(value: f64) -> f64 {
    (10.0 * value).round() / 10.0
}

#[cfg(test)]
mod tests {
    use super::super::template;
    use super::*;

    fn series(key: &str, values: &[f64]) -> Series {
        let point = |(at, value): (usize, &f64)| Point { step: 10.0 * (at + 1) as f64, epoch: 0.0, value: *value };
        Series { key: key.to_owned(), points: values.iter().enumerate().map(point).collect() }
    }

    fn figure(series: &Series) -> String {
        styled(series, Style { smooth: true, ..Style::default() })
    }

    fn styled(series: &Series, style: Style) -> String {
        let chart = Chart::new(series, &Axis::steps(40.0), style);
        template::render("figure.html", &json!({"chart": chart})).unwrap()
    }

    fn labels_of(axis: &Axis) -> Vec<&str> {
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
            assert_eq!(labels_of(&axis), expected, "{low} to {high}");
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
            assert_eq!(labels_of(&Axis::steps(last)), expected, "{last}");
        }
        assert_eq!(Axis::steps(300.0).place(150.0), 0.5);
    }

    #[test]
    fn points_lie_where_the_axes_say() {
        let figure = figure(&series("loss", &[4.0, 3.0, 1.0, 0.0]));
        assert!(figure.contains("<path class=\"line\" d=\"M250 0L500 250L750 750L1000 1000\"/>"), "{figure}");
        assert!(figure.contains("<span style=\"bottom:25%\">1</span>"), "{figure}");
        assert!(figure.contains("<span style=\"left:50%\">20</span>"), "{figure}");
        assert!(figure.contains("4 → <b>0</b>"), "{figure}");
        assert!(figure.contains("aria-label=\"Training loss from 4 at step 10 to 0 at step 40\""), "{figure}");
    }

    #[test]
    fn what_is_not_finite_is_a_gap() {
        let figure = figure(&series("loss", &[4.0, f64::NAN, 2.0, 0.0]));
        assert!(figure.contains("d=\"M250 0M750 500L1000 1000\""), "{figure}");
        assert!(
            figure.contains("<path class=\"nan\" d=\"M500 0V1000\"/>") && figure.contains("1 not finite"),
            "{figure}"
        );
        let points = vec![1.0; 60].into_iter().enumerate().map(|(at, one)| if at == 30 { one } else { f64::NAN });
        let alone = self::figure(&series("loss", &points.collect::<Vec<_>>()));
        assert!(alone.contains("class=\"dots\""), "{alone}");
    }

    #[test]
    fn odd_series_are_drawn_all_the_same() {
        for values in [&[][..], &[1.0], &[f64::NAN], &[f64::MAX, f64::MIN], &[1e-320, 0.0]] {
            let figure = figure(&series("loss", values));
            assert!(!figure.contains("inf") && !figure.contains("d=\"\""), "{values:?}: {figure}");
            assert!(!figure.contains("NaN") || values.iter().any(|value| value.is_nan()), "{values:?}: {figure}");
        }
    }

    #[test]
    fn a_name_cannot_leave_its_place() {
        let figure = figure(&series("eval_<script>\"'&", &[1.0, 2.0]));
        assert!(figure.contains("<h3>&lt;script&gt;&quot;&#x27;&amp;</h3>"), "{figure}");
        assert!(!figure.contains("<script"), "{figure}");
    }

    #[test]
    fn the_best_value_is_marked() {
        let series = series("eval_accuracy", &[0.5, 1.0, 0.25]);
        let figure = styled(&series, Style { best: Some(20.0), ..Style::default() });
        assert!(figure.contains("best 1</b> at step 20"), "{figure}");
        assert!(figure.contains("<path class=\"best\" d=\"M500 0h0\"/>"), "{figure}");
    }
}
