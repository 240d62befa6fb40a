//! Functions and methods that Python has without an import.

use super::eval::{MAX_LENGTH, Scope, text_of};
use super::parse::{Arguments, Expr};
use super::{Fault, Value};
use std::cmp::Ordering;

pub(super) fn call<'p>(scope: &mut Scope<'p>, name: &str, arguments: &'p Arguments) -> Result<Value, Fault> {
    if matches!(name, "max" | "min" | "sorted") {
        return by_order(scope, name, arguments);
    }
    if !arguments.names.is_empty() {
        return Err(Fault::Type);
    }
    let values = scope.values(&arguments.places)?;
    function(name, values)
}

fn function(name: &str, values: Vec<Value>) -> Result<Value, Fault> {
    if name == "range" {
        return range(&values);
    }
    if name == "zip" {
        return zip(values);
    }
    let count = values.len();
    let mut values = values.into_iter();
    let value = values.next().ok_or(Fault::Type)?;
    if count > 1 {
        return Err(Fault::Type);
    }
    match name {
        "len" => length(&value.items()?),
        "abs" => value.int()?.checked_abs().map(Value::Int).ok_or(Fault::Limit),
        "str" => Ok(Value::Text(match value {
            Value::Text(text) => text,
            other @ (Value::None | Value::Bool(_) | Value::Int(_) | Value::List(_)) => other.to_string(),
        })),
        "int" => match value {
            Value::Text(text) => text.trim().parse().map(Value::Int).map_err(|_no_number| Fault::Value),
            other @ (Value::None | Value::Bool(_) | Value::Int(_) | Value::List(_)) => {
                other.int().map(Value::Int)
            }
        },
        "sum" => {
            let add = |total: i64, item: &Value| total.checked_add(item.int()?).ok_or(Fault::Limit);
            value.items()?.iter().try_fold(0, add).map(Value::Int)
        }
        "any" => Ok(Value::Bool(value.items()?.iter().any(Value::truth))),
        "all" => Ok(Value::Bool(value.items()?.iter().all(Value::truth))),
        "list" => value.items().map(Value::List),
        "reversed" => value.items().map(|items| Value::List(items.into_iter().rev().collect())),
        "set" => without_repeats(vec![value]),
        "enumerate" => {
            let numbered = value.items()?.into_iter().zip(0..);
            Ok(Value::List(numbered.map(|(item, at)| Value::List(vec![Value::Int(at), item])).collect()))
        }
        _ => Err(Fault::Name),
    }
}

fn length(items: &[Value]) -> Result<Value, Fault> {
    i64::try_from(items.len()).map(Value::Int).map_err(|_too_long| Fault::Limit)
}

fn range(values: &[Value]) -> Result<Value, Fault> {
    let numbers = values.iter().map(Value::int).collect::<Result<Vec<i64>, Fault>>()?;
    let (mut number, stop, step) = match *numbers.as_slice() {
        [stop] => (0, stop, 1),
        [start, stop] => (start, stop, 1),
        [start, stop, step] => (start, stop, step),
        _ => return Err(Fault::Type),
    };
    if step == 0 {
        return Err(Fault::Value);
    }
    let mut items = Vec::new();
    while if step > 0 { number < stop } else { number > stop } {
        items.push(Value::Int(number));
        number = number.checked_add(step).ok_or(Fault::Limit)?;
        if items.len() > MAX_LENGTH {
            return Err(Fault::Limit);
        }
    }
    Ok(Value::List(items))
}

fn zip(values: Vec<Value>) -> Result<Value, Fault> {
    let lists = values.into_iter().map(Value::items).collect::<Result<Vec<_>, Fault>>()?;
    let shortest = lists.iter().map(Vec::len).min().unwrap_or(0);
    let row = |at: usize| Value::List(lists.iter().map(|list| list[at].clone()).collect());
    Ok(Value::List((0..shortest).map(row).collect()))
}

/// `dict.fromkeys`, and `set`, whose order no program may look at.
pub(super) fn without_repeats(arguments: Vec<Value>) -> Result<Value, Fault> {
    let mut kept: Vec<Value> = Vec::new();
    for item in arguments.into_iter().next().ok_or(Fault::Type)?.items()? {
        if !kept.contains(&item) {
            kept.push(item);
        }
    }
    Ok(Value::List(kept))
}

/// `max`, `min` and `sorted`.
fn by_order<'p>(scope: &mut Scope<'p>, name: &str, arguments: &'p Arguments) -> Result<Value, Fault> {
    let mut values = scope.values(&arguments.places)?;
    let items = if values.len() == 1 { values.remove(0).items()? } else { values };
    let (mut keys, mut reverse, mut default) = (items.clone(), false, None);
    for (argument, expr) in &arguments.names {
        match (argument.as_str(), name) {
            ("key", _) => keys = items.iter().map(|item| key(scope, expr, item)).collect::<Result<_, _>>()?,
            ("reverse", "sorted") => reverse = scope.value(expr)?.truth(),
            ("default", "max" | "min") => default = Some(scope.value(expr)?),
            _ => return Err(Fault::Type),
        }
    }
    let keyed: Vec<(Value, Value)> = keys.into_iter().zip(items).collect();
    if name != "sorted" {
        let wanted = if name == "max" { Ordering::Greater } else { Ordering::Less };
        return best(keyed, wanted)?.or(default).ok_or(Fault::Value);
    }
    sorted(keyed, reverse)
}

/// The first of the best.
fn best(keyed: Vec<(Value, Value)>, wanted: Ordering) -> Result<Option<Value>, Fault> {
    let mut best: Option<(Value, Value)> = None;
    for (key, item) in keyed {
        let is_better = match &best {
            None => true,
            Some((best, _)) => key.order(best)? == wanted,
        };
        if is_better {
            best = Some((key, item));
        }
    }
    Ok(best.map(|(_, item)| item))
}

/// Items with the same key stay in their order, also in reverse.
fn sorted(keyed: Vec<(Value, Value)>, reverse: bool) -> Result<Value, Fault> {
    let mut sorted: Vec<(Value, Value)> = Vec::new();
    for (key, item) in keyed {
        let mut place = 0;
        for (before, _) in &sorted {
            let order = before.order(&key)?;
            place += usize::from(if reverse { order.is_ge() } else { order.is_le() });
        }
        sorted.insert(place, (key, item));
    }
    Ok(Value::List(sorted.into_iter().map(|(_, item)| item).collect()))
}

/// What an item is ordered by: a builtin, `str.lower`, or a method of a value (`words.count`).
fn key<'p>(scope: &mut Scope<'p>, expr: &'p Expr, item: &Value) -> Result<Value, Fault> {
    if let Expr::Name(name) = expr {
        return function(name, vec![item.clone()]);
    }
    let Expr::Attribute(receiver, name) = expr else { return Err(Fault::Type) };
    if matches!(receiver.as_ref(), Expr::Name(class) if class == "str") {
        return method(item.clone(), name, &[]);
    }
    method(scope.value(receiver)?, name, std::slice::from_ref(item))
}

pub(super) fn method(receiver: Value, name: &str, arguments: &[Value]) -> Result<Value, Fault> {
    match receiver {
        Value::Text(text) => of_text(&text, name, arguments),
        Value::List(items) => of_list(&items, name, arguments),
        Value::None | Value::Bool(_) | Value::Int(_) => Err(Fault::Type),
    }
}

fn of_list(items: &[Value], name: &str, arguments: &[Value]) -> Result<Value, Fault> {
    let [wanted] = arguments else { return Err(Fault::Type) };
    match name {
        "count" => length(&items.iter().filter(|item| *item == wanted).cloned().collect::<Vec<_>>()),
        "index" => {
            let place = items.iter().position(|item| item == wanted).ok_or(Fault::Value)?;
            length(&items[..place])
        }
        _ => Err(Fault::Type),
    }
}

fn of_text(text: &str, name: &str, arguments: &[Value]) -> Result<Value, Fault> {
    let is_all = |test: fn(&char) -> bool| Value::Bool(!text.is_empty() && text.chars().all(|c| test(&c)));
    let has_letters = |other: String| Value::Bool(text == other && text.chars().any(char::is_alphabetic));
    match (name, arguments) {
        ("upper", []) => Ok(Value::Text(text.to_ascii_uppercase())),
        ("lower", []) => Ok(Value::Text(text.to_ascii_lowercase())),
        ("swapcase", []) => {
            let swapped = |c: char| {
                if c.is_ascii_uppercase() { c.to_ascii_lowercase() } else { c.to_ascii_uppercase() }
            };
            Ok(Value::Text(text.chars().map(swapped).collect()))
        }
        ("capitalize", []) => {
            let mut letters = text.chars();
            let first = letters.next().map(|c| c.to_ascii_uppercase());
            Ok(Value::Text(first.into_iter().chain(letters.map(|c| c.to_ascii_lowercase())).collect()))
        }
        ("isupper", []) => Ok(has_letters(text.to_ascii_uppercase())),
        ("islower", []) => Ok(has_letters(text.to_ascii_lowercase())),
        ("isalpha", []) => Ok(is_all(char::is_ascii_alphabetic)),
        ("isdigit", []) => Ok(is_all(char::is_ascii_digit)),
        ("strip", []) => Ok(Value::text(text.trim())),
        ("split", []) => Ok(Value::List(text.split_whitespace().map(Value::text).collect())),
        ("split", [between]) => Ok(Value::List(text.split(between.as_text()?).map(Value::text).collect())),
        ("join", [words]) => joined(text, words.clone().items()?),
        ("startswith", [start]) => Ok(Value::Bool(text.starts_with(start.as_text()?))),
        ("endswith", [end]) => Ok(Value::Bool(text.ends_with(end.as_text()?))),
        ("replace", [from, to]) => Ok(Value::Text(text.replace(from.as_text()?, to.as_text()?))),
        ("replace", [from, to, count]) => {
            let count = usize::try_from(count.int()?).unwrap_or(usize::MAX);
            Ok(Value::Text(text.replacen(from.as_text()?, to.as_text()?, count)))
        }
        ("count", [part]) => i64::try_from(text.matches(part.as_text()?).count())
            .map(Value::Int)
            .map_err(|_too_many| Fault::Limit),
        ("index" | "find", [part]) => match text.find(part.as_text()?) {
            Some(place) => i64::try_from(place).map(Value::Int).map_err(|_too_long| Fault::Limit),
            None if name == "find" => Ok(Value::Int(-1)),
            None => Err(Fault::Value),
        },
        ("ljust", [width]) => padded(text, width, &Value::text(" "), false),
        ("ljust", [width, fill]) => padded(text, width, fill, false),
        ("rjust", [width]) => padded(text, width, &Value::text(" "), true),
        ("rjust", [width, fill]) => padded(text, width, fill, true),
        _ => Err(Fault::Type),
    }
}

fn joined(between: &str, words: Vec<Value>) -> Result<Value, Fault> {
    let mut parts = Vec::new();
    for word in words {
        if !parts.is_empty() {
            parts.push(Value::text(between));
        }
        parts.push(word);
    }
    text_of(&parts)
}

fn padded(text: &str, width: &Value, fill: &Value, before: bool) -> Result<Value, Fault> {
    let width = usize::try_from(width.int()?.max(0)).map_err(|_too_long| Fault::Limit)?;
    if width > MAX_LENGTH {
        return Err(Fault::Limit);
    }
    let padding = fill.as_text()?.repeat(width.saturating_sub(text.len()));
    Ok(Value::Text(if before { padding + text } else { format!("{text}{padding}") }))
}
