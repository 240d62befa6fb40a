//! `loss.svg`: training and evaluation loss over the steps.

use super::log::Curves;
use crate::model::files;
use plotters::prelude::*;
use std::io::Write as _;
use std::path::Path;

const SIZE_PIXELS: (u32, u32) = (960, 540);

/// No more points than can be told apart.
const MOST_POINTS: usize = 800;

/// Half of the smoothed line's window fits so often into the plot.
const WINDOWS: usize = 50;

const LIGHT_BLUE: RGBColor = RGBColor(170, 200, 235);
const DARK_BLUE: RGBColor = RGBColor(20, 80, 160);
const ORANGE: RGBColor = RGBColor(215, 95, 0);
const FONT: &str = "sans-serif";

type Point = (f64, f64);

/// Writes it, beside and renamed. Nothing to draw is no plot.
pub(super) fn write(path: &Path, curves: &Curves) -> anyhow::Result<()> {
    let Some(svg) = draw(curves)? else { return Ok(()) };
    Ok(files::write_renamed(path, |file| file.write_all(svg.as_bytes()))?)
}

fn draw(curves: &Curves) -> anyhow::Result<Option<String>> {
    let training = thinned(&curves.training);
    let evaluation: Vec<Point> = curves.evaluation.iter().map(|&(step, loss)| (step as f64, loss)).collect();
    let Some((steps, losses)) = ranges(&training, &evaluation) else { return Ok(None) };
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, SIZE_PIXELS).into_drawing_area();
        area.fill(&WHITE)?;
        let mut chart = ChartBuilder::on(&area)
            .margin(16)
            .x_label_area_size(44)
            .y_label_area_size(64)
            .build_cartesian_2d(steps, losses)?;
        chart
            .configure_mesh()
            .x_desc("steps")
            .y_desc("loss (nats per token)")
            .axis_desc_style((FONT, 16))
            .label_style((FONT, 14))
            .x_label_formatter(&|step| format!("{step:.0}"))
            .y_label_formatter(&|loss| format!("{loss:.2}"))
            .light_line_style(WHITE)
            .bold_line_style(RGBColor(225, 225, 225))
            .draw()?;
        let legend = |color: RGBColor, width: u32| {
            move |(x, y)| PathElement::new([(x, y), (x + 20, y)], color.stroke_width(width))
        };
        chart
            .draw_series(LineSeries::new(training.iter().copied(), LIGHT_BLUE))?
            .label("training, each step")
            .legend(legend(LIGHT_BLUE, 1));
        chart
            .draw_series(LineSeries::new(smoothed(&training), DARK_BLUE.stroke_width(2)))?
            .label("training, smoothed")
            .legend(legend(DARK_BLUE, 2));
        if !evaluation.is_empty() {
            chart
                .draw_series(LineSeries::new(evaluation.iter().copied(), ORANGE.stroke_width(2)))?
                .label("evaluation")
                .legend(legend(ORANGE, 2));
            chart.draw_series(evaluation.iter().map(|&point| Circle::new(point, 3, ORANGE.filled())))?;
        }
        chart
            .configure_series_labels()
            .position(SeriesLabelPosition::UpperRight)
            .label_font((FONT, 14))
            .background_style(WHITE.mix(0.85))
            .border_style(RGBColor(200, 200, 200))
            .draw()?;
        area.present()?;
    }
    Ok(Some(svg))
}

/// Means over neighbours.
fn thinned(curve: &[(u64, f64)]) -> Vec<Point> {
    let mean = |part: &[(u64, f64)]| {
        let sum = part.iter().fold((0.0, 0.0), |sum, &(step, loss)| (sum.0 + step as f64, sum.1 + loss));
        (sum.0 / part.len() as f64, sum.1 / part.len() as f64)
    };
    curve.chunks(curve.len().div_ceil(MOST_POINTS).max(1)).map(mean).collect()
}

/// Means over a window around each point, which lag behind nothing; smaller at both ends.
fn smoothed(points: &[Point]) -> Vec<Point> {
    let reach = points.len() / WINDOWS;
    let mean = |(index, &(step, _)): (usize, &Point)| {
        let reach = reach.min(index).min(points.len() - 1 - index);
        let window = &points[index - reach..=index + reach];
        (step, window.iter().map(|point| point.1).sum::<f64>() / window.len() as f64)
    };
    points.iter().enumerate().map(mean).collect()
}

/// What the axes show; none if there is no point.
fn ranges(training: &[Point], evaluation: &[Point]) -> Option<(std::ops::Range<f64>, std::ops::Range<f64>)> {
    let all = || training.iter().chain(evaluation);
    let last = all().map(|point| point.0).fold(1.0, f64::max);
    let (low, high) = all()
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), point| (low.min(point.1), high.max(point.1)));
    if !(low.is_finite() && high.is_finite()) {
        return None;
    }
    let room = ((high - low) * 0.05).max(0.01);
    Some((0.0..last, (low - room).max(0.0)..high + room))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn curves(steps: u64) -> Curves {
        let loss =
            |step: u64| 2.0 + 3.0 * (-(step as f64) / 100.0).exp() + 0.1 * ((step * 7919) % 13) as f64 / 13.0;
        Curves {
            training: (1..=steps).map(|step| (step, loss(step))).collect(),
            evaluation: (1..=steps / 100).map(|n| (n * 100, loss(n * 100) + 0.05)).collect(),
        }
    }

    #[test]
    fn a_long_run_is_a_short_file_with_labelled_axes() {
        let svg = draw(&curves(100_000)).expect("drawn").expect("something to draw");
        assert!(svg.len() < 400_000, "{} bytes", svg.len());
        for text in ["steps", "loss (nats per token)", "training, smoothed", "evaluation"] {
            assert!(svg.contains(text), "{text}");
        }
        let svg = draw(&curves(50)).expect("drawn").expect("something to draw");
        assert!(!svg.contains("evaluation"));
    }

    #[test]
    fn few_points_and_none_are_no_errors() {
        assert!(draw(&Curves::default()).expect("drawn").is_none());
        assert!(draw(&curves(1)).expect("drawn").is_some());
    }

    #[test]
    fn smoothing_moves_no_straight_line() {
        let line: Vec<Point> = (0..200).map(|step| (f64::from(step), f64::from(step) * 0.5)).collect();
        let furthest = smoothed(&line).iter().zip(&line).map(|(a, b)| (a.1 - b.1).abs()).fold(0.0, f64::max);
        assert!(furthest < 1e-9, "{furthest}");
        let noisy: Vec<Point> = (0..200).map(|step| (f64::from(step), f64::from(step % 2))).collect();
        assert!(smoothed(&noisy)[20..180].iter().all(|point| (point.1 - 0.5).abs() < 0.1));
    }
}
