//! The page: `report.html` filled in. Every text is escaped by the template engine; only charts go in as they are.

use super::ReportError;
use super::data::ReportData;
use super::plots::{self, Plot, Plots};
use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use minijinja::{AutoEscape, Environment, UndefinedBehavior, Value, context};
use std::time::Duration;

/// The end of the name would turn escaping on by itself; it is set all the same.
const NAME: &str = "report.html";
const TEMPLATE: &str = include_str!("report.html");

/// What pages share.
const SHARED: [(&str, &str); 2] =
    [("macros.html", include_str!("macros.html")), ("style.css", include_str!("style.css"))];

/// Every text is escaped, whatever template it stands in; what a template uses and is not given is an error.
pub(super) fn environment() -> Result<Environment<'static>, minijinja::Error> {
    let mut environment = Environment::new();
    environment.set_auto_escape_callback(|_name| AutoEscape::Html);
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_syntax(SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build()?);
    environment.add_filter("count", count);
    environment.add_filter("percent", percent);
    environment.add_filter("points", points);
    environment.add_filter("decimals", decimals);
    environment.add_filter("p_value", p_value);
    environment.add_filter("seconds", seconds);
    for (name, template) in SHARED {
        environment.add_template(name, template)?;
    }
    Ok(environment)
}

/// The whole page.
///
/// # Errors
/// [`ReportError::Plot`], [`ReportError::Page`]: neither follows from the data.
pub fn page(data: &ReportData) -> Result<String, ReportError> {
    let mut environment = environment()?;
    environment.add_template(NAME, TEMPLATE)?;
    let plots = plots::plots(data)?;
    let version = env!("CARGO_PKG_VERSION");
    let context = context! { run => Value::from(Serde(data)), plots => for_template(&plots), version };
    Ok(environment.get_template(NAME)?.render(context)?)
}

fn for_template(plots: &Plots) -> Value {
    let one = |plot: &Plot| {
        let svg = Value::from_safe_string(plot.svg.clone());
        context! { title => plot.title, svg, legend => Value::from(Serde(&plot.legend)) }
    };
    let all = |plots: &[Plot]| plots.iter().map(one).collect::<Value>();
    context! {
        solved => all(&plots.solved),
        pass_rates => all(&plots.pass_rates),
        diversity => all(&plots.diversity),
        shape => all(&plots.shape),
        work => all(&plots.work),
    }
}

/// `1234567` as `1,234,567`.
fn count(value: u64) -> String {
    indicatif::HumanCount(value).to_string()
}

/// `0.1234` as `12.3 %`.
fn percent(value: f64) -> String {
    format!("{:.1} %", value * 100.0)
}

/// A difference of shares: `0.0123` as `+1.2`, with a true minus.
fn points(value: f64) -> String {
    format!("{:+.1}", value * 100.0).replace('-', "−")
}

/// With its sign: `= 0.0312`, `< 0.0001`.
fn p_value(value: f64) -> String {
    if value < 1e-4 { "< 0.0001".to_owned() } else { format!("= {value:.4}") }
}

fn decimals(value: f64, digits: usize) -> String {
    format!("{value:.digits$}")
}

/// Whole seconds for people.
fn seconds(value: f64) -> String {
    humantime::format_duration(Duration::from_secs(value.max(0.0).round() as u64)).to_string()
}

#[cfg(test)]
#[path = "html_tests.rs"]
mod tests;
