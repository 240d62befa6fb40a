//! Charts as SVG to stand in a page: curves and stacked bars. They name axes and ticks; what a colour means is said beside
//! them, in HTML.

use super::ReportError;
use plotters::coord::Shift;
use plotters::coord::ranged1d::SegmentValue;
use plotters::prelude::*;
use std::ops::Range;

/// Okabe and Ito's colours, which people with any colour vision can tell apart; the dark ones first.
const PALETTE: [RGBColor; 8] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(230, 159, 0),
    RGBColor(86, 180, 233),
    RGBColor(102, 102, 102),
    RGBColor(170, 153, 0),
];
const GRID: RGBColor = RGBColor(228, 228, 228);
const INK: RGBColor = RGBColor(60, 60, 60);
const FONT: &str = "sans-serif";

/// Points are marked as long as they can be told apart.
const MOST_MARKS: usize = 60;

/// Their labels do not touch.
const MOST_TICKS: f64 = 8.0;

/// How large a chart is, in units of its own; the page scales it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Size {
    /// As wide as the page.
    Wide,
    /// One of several beside each other.
    Small,
}

impl Size {
    fn pixels(self) -> (u32, u32) {
        match self {
            Self::Wide => (960, 360),
            Self::Small => (470, 260),
        }
    }

    fn font_size(self) -> u32 {
        match self {
            Self::Wide => 15,
            Self::Small => 13,
        }
    }
}

/// What the axes show.
#[derive(Debug, Clone, Copy)]
pub(super) struct Axes<'a> {
    pub(super) x: &'a str,
    pub(super) y: &'a str,
    pub(super) size: Size,
    /// Where the vertical axis ends, if not above the highest value.
    pub(super) top: Option<f64>,
}

/// A curve.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Series {
    pub(super) name: String,
    pub(super) points: Vec<(f64, f64)>,
}

/// One layer of stacked bars: a height for each bar.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Layer {
    pub(super) name: String,
    pub(super) heights: Vec<f64>,
}

/// The colour of the `index`th curve or layer, as CSS has it.
pub(super) fn color(index: usize) -> String {
    let RGBColor(red, green, blue) = PALETTE[index % PALETTE.len()];
    format!("#{red:02x}{green:02x}{blue:02x}")
}

type Drawn = Result<(), Box<dyn std::error::Error>>;
type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// Curves from 0 upwards; `None` if there is no point.
pub(super) fn curves(axes: Axes<'_>, series: &[Series]) -> Result<Option<String>, ReportError> {
    let points = || series.iter().flat_map(|one| one.points.iter().copied()).filter(|(_, y)| y.is_finite());
    if points().next().is_none() {
        return Ok(None);
    }
    let bound = |least: bool, x: f64, y: f64| if least { x.min(y) } else { x.max(y) };
    let (first, last) = points().fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), (x, _)| {
        (bound(true, low, x), bound(false, high, x))
    });
    // One iteration is a point in the middle.
    let xs = if first < last { first..last } else { first - 1.0..last + 1.0 };
    let ys = 0.0..axes.top.unwrap_or_else(|| above(points().map(|(_, y)| y)));
    draw(axes, |area| draw_curves(area, axes, series, xs, ys)).map(Some)
}

fn draw_curves(area: &Area<'_>, axes: Axes<'_>, series: &[Series], xs: Range<f64>, ys: Range<f64>) -> Drawn {
    let font = (FONT, axes.size.font_size());
    // Of few iterations each has its line, and nothing lies between them.
    let ticks = (xs.end - xs.start + 1.0).min(MOST_TICKS) as usize;
    let mut chart = ChartBuilder::on(area)
        .margin(10)
        .margin_right(20)
        .x_label_area_size(42)
        .y_label_area_size(58)
        .build_cartesian_2d(xs, ys)?;
    chart
        .configure_mesh()
        .x_desc(axes.x)
        .y_desc(axes.y)
        .axis_desc_style(font.into_font().color(&INK))
        .label_style(font.into_font().color(&INK))
        .x_labels(ticks)
        .y_labels(6)
        .x_label_formatter(&|x| whole(*x))
        .y_label_formatter(&|y| short(*y))
        .light_line_style(TRANSPARENT)
        .bold_line_style(GRID)
        .axis_style(GRID)
        .draw()?;
    for (place, one) in series.iter().enumerate() {
        let color = PALETTE[place % PALETTE.len()];
        chart.draw_series(LineSeries::new(one.points.iter().copied(), color.stroke_width(2)))?;
        if one.points.len() <= MOST_MARKS {
            chart.draw_series(one.points.iter().map(|point| Circle::new(*point, 3, color.filled())))?;
        }
    }
    Ok(())
}

/// A value with the interval that it is known to lie in, at a budget.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Banded {
    pub(super) x: f64,
    pub(super) low: f64,
    pub(super) value: f64,
    pub(super) high: f64,
}

/// A curve inside its band, over a logarithmic axis; `None` if there are fewer than two points. All x are positive and in
/// order.
pub(super) fn band(axes: Axes<'_>, points: &[Banded]) -> Result<Option<String>, ReportError> {
    let [first, .., last] = points else { return Ok(None) };
    let ys = 0.0..axes.top.unwrap_or_else(|| above(points.iter().map(|point| point.high)));
    draw(axes, |area| draw_band(area, axes, points, (first.x..last.x, ys))).map(Some)
}

fn draw_band(
    area: &Area<'_>,
    axes: Axes<'_>,
    points: &[Banded],
    (xs, ys): (Range<f64>, Range<f64>),
) -> Drawn {
    let font = (FONT, axes.size.font_size());
    let mut chart = ChartBuilder::on(area)
        .margin(10)
        .margin_right(20)
        .x_label_area_size(42)
        .y_label_area_size(58)
        .build_cartesian_2d(xs.log_scale().base(2.0), ys)?;
    chart
        .configure_mesh()
        .x_desc(axes.x)
        .y_desc(axes.y)
        .axis_desc_style(font.into_font().color(&INK))
        .label_style(font.into_font().color(&INK))
        .y_labels(6)
        .x_label_formatter(&|x| whole(*x))
        .y_label_formatter(&|y| short(*y))
        .light_line_style(TRANSPARENT)
        .bold_line_style(GRID)
        .axis_style(GRID)
        .draw()?;
    let low = points.iter().map(|point| (point.x, point.low));
    let high = points.iter().rev().map(|point| (point.x, point.high));
    chart.draw_series([Polygon::new(low.chain(high).collect::<Vec<_>>(), PALETTE[0].mix(0.16))])?;
    let curve: Vec<(f64, f64)> = points.iter().map(|point| (point.x, point.value)).collect();
    chart.draw_series(LineSeries::new(curve.iter().copied(), PALETTE[0].stroke_width(2)))?;
    if curve.len() <= MOST_MARKS {
        chart.draw_series(curve.iter().map(|point| Circle::new(*point, 3, PALETTE[0].filled())))?;
    }
    Ok(())
}

/// Bars, one for each label, of layers on top of each other; `None` if there is nothing to stack.
pub(super) fn bars(
    axes: Axes<'_>,
    labels: &[String],
    layers: &[Layer],
) -> Result<Option<String>, ReportError> {
    let height = |bar: usize| layers.iter().filter_map(|layer| layer.heights.get(bar)).sum::<f64>();
    let heights: Vec<f64> = (0..labels.len()).map(height).collect();
    if heights.iter().sum::<f64>() <= 0.0 {
        return Ok(None);
    }
    let ys = 0.0..axes.top.unwrap_or_else(|| above(heights.into_iter()));
    draw(axes, |area| draw_bars(area, axes, labels, layers, ys)).map(Some)
}

fn draw_bars(area: &Area<'_>, axes: Axes<'_>, labels: &[String], layers: &[Layer], ys: Range<f64>) -> Drawn {
    let font = (FONT, axes.size.font_size());
    let mut chart = ChartBuilder::on(area)
        .margin(10)
        .x_label_area_size(42)
        .y_label_area_size(58)
        // The range has its end.
        .build_cartesian_2d((0..labels.len().saturating_sub(1)).into_segmented(), ys)?;
    let label = |at: &SegmentValue<usize>| match at {
        SegmentValue::CenterOf(bar) | SegmentValue::Exact(bar) => {
            labels.get(*bar).cloned().unwrap_or_default()
        }
        SegmentValue::Last => String::new(),
    };
    chart
        .configure_mesh()
        .disable_x_mesh()
        .x_desc(axes.x)
        .y_desc(axes.y)
        .axis_desc_style(font.into_font().color(&INK))
        .label_style(font.into_font().color(&INK))
        .x_labels(labels.len().min(20))
        .y_labels(6)
        .x_label_formatter(&label)
        .y_label_formatter(&|y| short(*y))
        .light_line_style(TRANSPARENT)
        .bold_line_style(GRID)
        .axis_style(GRID)
        .draw()?;
    let mut floors = vec![0.0; labels.len()];
    for (place, layer) in layers.iter().enumerate() {
        let color = PALETTE[place % PALETTE.len()];
        let layer = floors.iter_mut().zip(&layer.heights).enumerate().map(|(bar, (floor, height))| {
            let from = *floor;
            *floor += height;
            let corners = [(SegmentValue::Exact(bar), from), (SegmentValue::Exact(bar + 1), *floor)];
            let mut bar = Rectangle::new(corners, color.filled());
            let gap = gap(axes.size, labels.len());
            bar.set_margin(0, 0, gap, gap);
            bar
        });
        chart.draw_series(layer.collect::<Vec<_>>())?;
    }
    Ok(())
}

/// Beside a bar, so that two thirds of the width are bar.
fn gap(size: Size, bars: usize) -> u32 {
    size.pixels().0 / u32::try_from(bars.max(1) * 6).unwrap_or(u32::MAX)
}

/// The end of an axis above all these values.
fn above(values: impl Iterator<Item = f64>) -> f64 {
    let highest = values.filter(|value| value.is_finite()).fold(0.0, f64::max);
    if highest > 0.0 { highest * 1.06 } else { 1.0 }
}

fn draw(axes: Axes<'_>, paint: impl FnOnce(&Area<'_>) -> Drawn) -> Result<String, ReportError> {
    let size = axes.size.pixels();
    let mut svg = String::new();
    let drawn = {
        let area = SVGBackend::with_string(&mut svg, size).into_drawing_area();
        paint(&area).and_then(|()| Ok(area.present()?))
    };
    drawn.map_err(|error| ReportError::Plot { plot: axes.y.to_owned(), problem: error.to_string() })?;
    Ok(for_page(&svg, size))
}

/// Without the size and the name space that a file of its own would need: in HTML it is scaled, and has none.
fn for_page(svg: &str, (width, height): (u32, u32)) -> String {
    let inside = svg.split_once('>').map_or("", |(_tag, inside)| inside);
    format!("<svg viewBox=\"0 0 {width} {height}\" role=\"img\">{inside}")
}

fn whole(x: f64) -> String {
    if (x - x.round()).abs() < 1e-9 { short(x) } else { String::new() }
}

/// A number for a tick, in few characters.
fn short(value: f64) -> String {
    let trimmed = |value: f64| {
        let text = format!("{value:.2}");
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    };
    match value.abs() {
        size if size >= 1e6 => format!("{}M", trimmed(value / 1e6)),
        size if size >= 1e4 => format!("{}k", trimmed(value / 1e3)),
        _ => trimmed(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn axes(size: Size) -> Axes<'static> {
        Axes { x: "iteration", y: "proofs", size, top: None }
    }

    #[test]
    fn ticks_are_short() {
        assert_eq!([0.0, 3.0, 0.25, 1234.0].map(short), ["0", "3", "0.25", "1234"]);
        assert_eq!([20_000.0, 12_500.0, 3e6].map(short), ["20k", "12.5k", "3M"]);
        assert_eq!([2.0, 2.5].map(whole), ["2", ""]);
    }

    #[test]
    fn nothing_to_draw_is_no_chart() {
        assert_eq!(curves(axes(Size::Wide), &[]).expect("drawn"), None);
        let empty = Series { name: "a".to_owned(), points: Vec::new() };
        assert_eq!(curves(axes(Size::Wide), &[empty]).expect("drawn"), None);
        let zero = Layer { name: "a".to_owned(), heights: vec![0.0] };
        assert_eq!(bars(axes(Size::Small), &["1".to_owned()], &[zero]).expect("drawn"), None);
    }

    #[test]
    fn a_band_is_a_polygon_around_its_curve() {
        let point = |x: f64| Banded { x, low: 0.1 * x, value: 0.2 * x, high: 0.3 * x };
        assert_eq!(band(axes(Size::Wide), &[point(1.0)]).expect("drawn"), None);
        let chart = band(axes(Size::Wide), &[1.0, 2.0, 4.0, 8.0].map(point)).expect("drawn").expect("points");
        assert_eq!((chart.matches("<polygon").count(), chart.matches("<circle").count()), (1, 4), "{chart}");
    }

    #[test]
    fn charts_name_their_axes_and_nothing_else() {
        let series = Series { name: "<script>".to_owned(), points: vec![(1.0, 2.0), (2.0, 3.0)] };
        let single = Series { name: "b".to_owned(), points: vec![(1.0, 0.0)] };
        let chart = curves(axes(Size::Small), &[series, single]).expect("drawn").expect("points");
        assert!(chart.starts_with("<svg viewBox=\"0 0 470 260\"") && chart.trim_end().ends_with("</svg>"));
        assert!(chart.contains("iteration") && chart.contains("proofs"));
        assert!(!chart.contains("script") && !chart.contains("http"));
        let layers = ["x", "y"].map(|name| Layer { name: name.to_owned(), heights: vec![1.0, 2.0] });
        let labels = ["<1>".to_owned(), "2".to_owned()];
        let chart = bars(axes(Size::Wide), &labels, &layers).expect("drawn").expect("bars");
        assert!(chart.contains("&lt;1&gt;") && !chart.contains("<1>"), "{chart}");
        assert_eq!(chart.matches("<rect").count(), 4, "{chart}");
    }
}
