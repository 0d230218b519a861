//! A curve as a figure: lines as SVG that stretches with the page, labels as text that does not.
//!
//! An SVG with its own labels would shrink them to nothing on a phone. So the SVG holds lines only, in coordinates of 0 to 1000 both ways
//! (`preserveAspectRatio="none"`, strokes that do not scale), and labels are placed beside it in percent.

use serde_json::json;

use super::axis::{Axis, number};
use super::curves::{Curve, Point, thinned, title};
use super::markup::Text;

/// Width and height of the drawing.
const SIZE: f64 = 1000.0;

/// Up to so many points get a dot each.
const DOTS: usize = 25;

/// A curve and how it is to be drawn.
pub(super) struct Chart<'a> {
    pub curve: &'a Curve,
    /// Over the whole width of the page.
    pub wide: bool,
    /// With a smoothed line, if there are points enough.
    pub smooth: bool,
    /// The step of the best value.
    pub best: Option<f64>,
}

impl Chart<'_> {
    /// The figure, over an axis of steps that it shares with others.
    pub fn figure(&self, steps: &Axis) -> String {
        let finite = self.curve.finite();
        let (low, high) = finite.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), y| (low.min(y), high.max(y)));
        let values = if low <= high { Axis::values(low, high) } else { Axis::values(0.0, 1.0) };
        let smooth = self.curve.smoothed().filter(|_| self.smooth);
        let kept = thinned(&self.curve.points, if self.wide { 800 } else { 400 });
        let traces: Vec<Trace> = [("each log", Some(self.curve)), ("smoothed", smooth.as_ref())]
            .into_iter()
            .filter_map(|(name, curve)| Some(Trace::new(name, curve?, &kept, steps, &values)))
            .collect();
        let widest = values.ticks.iter().map(|(_, label)| label.chars().count()).max().unwrap_or(1).max(4);
        format!(
            "<figure class=\"chart{wide}\"><figcaption><h3>{title}</h3><p>{caption}</p></figcaption>\n\
             <div class=\"plot\" style=\"--y:{widest}ch\"><div class=\"ys\">{ys}</div>\
             <div class=\"area\" data-curve=\"{data}\"><svg viewBox=\"0 0 {SIZE} {SIZE}\" preserveAspectRatio=\"none\" \
             role=\"img\" aria-label=\"{label}\">{grid}{lines}</svg></div>\
             <div class=\"corner\">step</div><div class=\"xs\">{xs}</div></div></figure>\n",
            wide = if self.wide { " wide" } else { "" },
            title = Text(&title(&self.curve.key)),
            caption = self.caption(smooth.as_ref()),
            ys = labels(&values, "bottom"),
            xs = labels(steps, "left"),
            data = Text(&data(&traces)),
            label = Text(&self.description()),
            grid = grid(&values),
            lines = self.lines(&traces),
        )
    }

    fn lines(&self, traces: &[Trace]) -> String {
        let [raw, smooth @ ..] = traces else { return String::new() };
        let class = if smooth.is_empty() { "line" } else { "raw" };
        let mut lines = path("nan", &verticals(&raw.places)) + &path(class, &line(&raw.places));
        lines.extend(smooth.iter().map(|smooth| path("line", &line(&smooth.places))));
        lines += &path(
            "dots",
            &if smooth.is_empty() && raw.places.len() <= DOTS { dots(&raw.places) } else { lonely(&raw.places) },
        );
        let best = raw.places.iter().zip(&raw.points).filter(|(_, point)| Some(point.step) == self.best);
        lines + &path("best", &dots(best.map(|(place, _)| place)))
    }

    /// What stands beside the title: from where to where, and what is not to be overlooked.
    fn caption(&self, smooth: Option<&Curve>) -> String {
        let mut parts = Vec::new();
        let best = self.best.and_then(|step| self.curve.points.iter().find(|point| point.step == step));
        let mean = || self.curve.finite().sum::<f64>() / self.curve.finite().count() as f64;
        match (best, smooth.unwrap_or(self.curve).ends(), self.curve.key.as_str()) {
            (_, None, _) => {}
            (Some(Point { step, value, .. }), ..) => {
                parts.push(format!("<b class=\"key best\">best {}</b> at step {}", number(*value), number(*step)));
            }
            (_, Some((_, only)), _) if self.curve.points.len() == 1 => parts.push(format!("<b>{}</b>", number(only))),
            (.., "learning_rate") => {
                parts.push(format!("peak <b>{}</b>", number(self.curve.finite().fold(0.0, f64::max))));
            }
            (.., key) if key == "grad_norm" || key.ends_with("_per_second") => {
                parts.push(format!("mean <b>{}</b>", number(mean())));
            }
            (_, Some((first, last)), _) => parts.push(format!("{} → <b>{}</b>", number(first), number(last))),
        }
        if self.wide && smooth.is_some() {
            parts.push("<span class=\"key raw\">each log</span> <span class=\"key line\">smoothed</span>".to_owned());
        }
        let odd = self.curve.points.len() - self.curve.finite().count();
        if odd > 0 {
            parts.push(format!("<span class=\"key nan\">{odd} not finite</span>"));
        }
        parts.join(" ")
    }

    /// The chart for those who do not see it.
    fn description(&self) -> String {
        let name = title(&self.curve.key);
        match (self.curve.points.as_slice(), self.curve.ends()) {
            ([first, .., last], Some((from, to))) => {
                let (start, end) = (number(first.step), number(last.step));
                format!("{name} from {} at step {start} to {} at step {end}", number(from), number(to))
            }
            ([only], Some((value, _))) => format!("{name}: {} at step {}", number(value), number(only.step)),
            _ => name,
        }
    }
}

/// A line of the drawing: the points of a curve that are kept, and where they lie.
struct Trace {
    name: &'static str,
    points: Vec<Point>,
    places: Vec<Place>,
}

impl Trace {
    fn new(name: &'static str, curve: &Curve, kept: &[usize], steps: &Axis, values: &Axis) -> Self {
        let points: Vec<Point> = kept.iter().map(|kept| curve.points[*kept]).collect();
        let place = |point: &Point| Place {
            x: SIZE * steps.place(point.step),
            y: point.value.is_finite().then(|| SIZE * (1.0 - values.place(point.value))),
        };
        Self { name, places: points.iter().map(place).collect(), points }
    }
}

/// What the script shows at the pointer: for each point its place, its step and epoch, and the place and value of each line there.
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
    let mut grid = String::new();
    for (value, _) in &values.ticks {
        grid += &format!("M0 {}H{SIZE}", tenth(SIZE * (1.0 - values.place(*value))));
    }
    path("grid", &grid)
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

fn path(class: &str, path: &str) -> String {
    if path.is_empty() { String::new() } else { format!("<path class=\"{class}\" d=\"{path}\"/>") }
}

fn labels(axis: &Axis, side: &str) -> String {
    let label = |(value, label): &(f64, String)| {
        format!("<span style=\"{side}:{}%\">{label}</span>", tenth(100.0 * axis.place(*value)))
    };
    axis.ticks.iter().map(label).collect()
}

fn tenth(value: f64) -> f64 {
    (10.0 * value).round() / 10.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn curve(key: &str, values: &[f64]) -> Curve {
        let point = |(at, value): (usize, &f64)| Point { step: 10.0 * (at + 1) as f64, epoch: 0.0, value: *value };
        Curve { key: key.to_owned(), points: values.iter().enumerate().map(point).collect() }
    }

    fn figure(curve: &Curve) -> String {
        Chart { curve, wide: false, smooth: true, best: None }.figure(&Axis::steps(40.0))
    }

    #[test]
    fn points_lie_where_the_axes_say() {
        let figure = figure(&curve("loss", &[4.0, 3.0, 1.0, 0.0]));
        assert!(figure.contains("<path class=\"line\" d=\"M250 0L500 250L750 750L1000 1000\"/>"), "{figure}");
        assert!(figure.contains("<span style=\"bottom:25%\">1</span>"), "{figure}");
        assert!(figure.contains("<span style=\"left:50%\">20</span>"), "{figure}");
        assert!(figure.contains("4 → <b>0</b>"), "{figure}");
        assert!(figure.contains("aria-label=\"Training loss from 4 at step 10 to 0 at step 40\""), "{figure}");
    }

    #[test]
    fn what_is_not_finite_is_a_gap() {
        let figure = figure(&curve("loss", &[4.0, f64::NAN, 2.0, 0.0]));
        assert!(figure.contains("d=\"M250 0M750 500L1000 1000\""), "{figure}");
        assert!(
            figure.contains("<path class=\"nan\" d=\"M500 0V1000\"/>") && figure.contains("1 not finite"),
            "{figure}"
        );
        let points = vec![1.0; 60].into_iter().enumerate().map(|(at, one)| if at == 30 { one } else { f64::NAN });
        let alone = self::figure(&curve("loss", &points.collect::<Vec<_>>()));
        assert!(alone.contains("class=\"dots\""), "{alone}");
    }

    #[test]
    fn odd_curves_are_drawn_all_the_same() {
        for values in [&[][..], &[1.0], &[f64::NAN], &[f64::MAX, f64::MIN], &[1e-320, 0.0]] {
            let figure = figure(&curve("loss", values));
            assert!(!figure.contains("inf") && !figure.contains("d=\"\""), "{values:?}: {figure}");
            assert!(!figure.contains("NaN") || values.iter().any(|value| value.is_nan()), "{values:?}: {figure}");
        }
    }

    #[test]
    fn a_name_cannot_leave_its_place() {
        let figure = figure(&curve("eval_<script>\"'&", &[1.0, 2.0]));
        assert!(figure.contains("<h3>&lt;script&gt;&quot;&#39;&amp;</h3>"), "{figure}");
        assert!(!figure.contains("<script"), "{figure}");
    }

    #[test]
    fn the_best_value_is_marked() {
        let curve = curve("eval_accuracy", &[0.5, 1.0, 0.25]);
        let figure = Chart { curve: &curve, wide: false, smooth: false, best: Some(20.0) }.figure(&Axis::steps(40.0));
        assert!(figure.contains("best 1</b> at step 20"), "{figure}");
        assert!(figure.contains("<path class=\"best\" d=\"M500 0h0\"/>"), "{figure}");
    }
}
