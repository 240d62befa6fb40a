//! The value of a body.

use super::builtins;
use super::parse::{Clause, Comparison, Expr, Statement};
use super::{Fault, Value};

/// A planted program is done in a few hundred steps, or never.
const MAX_STEPS: usize = 4_000;

/// Texts and lists grow no longer: nobody could show them.
pub(super) const MAX_LENGTH: usize = 400;

pub(super) fn call(body: &[Statement], names: &[&str], arguments: &[Value]) -> Result<Value, Fault> {
    let variables = names.iter().zip(arguments).map(|(name, value)| (*name, value.clone()));
    let mut scope = Scope { variables: variables.collect(), steps: 0 };
    Ok(scope.block(body)?.unwrap_or(Value::None))
}

/// The variables, the newest last, and how much has been done.
pub(super) struct Scope<'p> {
    variables: Vec<(&'p str, Value)>,
    steps: usize,
}

impl<'p> Scope<'p> {
    /// What the block returns, if it does.
    fn block(&mut self, statements: &'p [Statement]) -> Result<Option<Value>, Fault> {
        for statement in statements {
            if let Some(value) = self.statement(statement)? {
                return Ok(Some(value));
            }
        }
        Ok(None)
    }

    fn statement(&mut self, statement: &'p Statement) -> Result<Option<Value>, Fault> {
        self.step()?;
        match statement {
            Statement::Return(value) => return self.value(value).map(Some),
            Statement::Assign(name, value) => {
                let value = self.value(value)?;
                self.set(name, value);
            }
            Statement::Update(name, operator, value) => {
                let value = binary(operator, self.get(name)?.clone(), self.value(value)?)?;
                self.set(name, value);
            }
            Statement::Append(name, item) => {
                let item = self.value(item)?;
                let mut items = self.list(name)?;
                items.push(item);
                self.set(name, short(Value::List(items))?);
            }
            Statement::For(targets, source, body) => {
                for item in self.value(source)?.items()? {
                    self.bind(targets, item)?;
                    if let Some(value) = self.block(body)? {
                        return Ok(Some(value));
                    }
                }
            }
            Statement::While(condition, body) => {
                while self.value(condition)?.truth() {
                    self.step()?;
                    if let Some(value) = self.block(body)? {
                        return Ok(Some(value));
                    }
                }
            }
            Statement::If(condition, then, otherwise) => {
                let branch = if self.value(condition)?.truth() { then } else { otherwise };
                return self.block(branch);
            }
        }
        Ok(None)
    }

    fn step(&mut self) -> Result<(), Fault> {
        self.steps += 1;
        if self.steps > MAX_STEPS { Err(Fault::Limit) } else { Ok(()) }
    }

    fn get(&self, name: &str) -> Result<&Value, Fault> {
        let found = self.variables.iter().rev().find(|(known, _)| *known == name);
        found.map(|(_, value)| value).ok_or(Fault::Name)
    }

    fn list(&self, name: &str) -> Result<Vec<Value>, Fault> {
        match self.get(name)? {
            Value::List(items) => Ok(items.clone()),
            Value::None | Value::Bool(_) | Value::Int(_) | Value::Text(_) => Err(Fault::Type),
        }
    }

    fn set(&mut self, name: &'p str, value: Value) {
        match self.variables.iter_mut().rev().find(|(known, _)| *known == name) {
            Some((_, old)) => *old = value,
            None => self.variables.push((name, value)),
        }
    }

    /// The values that targets stand for: one takes all, several take an item each.
    fn unpacked(targets: &[String], item: Value) -> Result<Vec<Value>, Fault> {
        if targets.len() == 1 {
            return Ok(vec![item]);
        }
        let items = item.items()?;
        if items.len() == targets.len() { Ok(items) } else { Err(Fault::Value) }
    }

    fn bind(&mut self, targets: &'p [String], item: Value) -> Result<(), Fault> {
        for (name, value) in targets.iter().zip(Self::unpacked(targets, item)?) {
            self.set(name, value);
        }
        Ok(())
    }

    pub(super) fn value(&mut self, expr: &'p Expr) -> Result<Value, Fault> {
        self.step()?;
        match expr {
            Expr::Constant(value) => Ok(value.clone()),
            Expr::Name(name) => self.get(name).cloned(),
            Expr::List(items) => Ok(Value::List(self.values(items)?)),
            Expr::Comprehension(item, clauses) => {
                let (mut found, before) = (Vec::new(), self.variables.len());
                self.comprehend(item, clauses, &mut found)?;
                self.variables.truncate(before);
                Ok(Value::List(found))
            }
            Expr::Minus(value) => self.value(value)?.int()?.checked_neg().map(Value::Int).ok_or(Fault::Limit),
            Expr::Not(value) => Ok(Value::Bool(!self.value(value)?.truth())),
            Expr::Binary(operator, one, other) => binary(operator, self.value(one)?, self.value(other)?),
            Expr::Compare(first, rest) => self.compared(first, rest),
            Expr::And(one, other) => {
                let one = self.value(one)?;
                if one.truth() { self.value(other) } else { Ok(one) }
            }
            Expr::Or(one, other) => {
                let one = self.value(one)?;
                if one.truth() { Ok(one) } else { self.value(other) }
            }
            Expr::Choose(condition, then, otherwise) => {
                if self.value(condition)?.truth() {
                    self.value(then)
                } else {
                    self.value(otherwise)
                }
            }
            Expr::Call(name, arguments) => builtins::call(self, name, arguments).and_then(short),
            Expr::Method(receiver, name, arguments) => self.method(receiver, name, arguments),
            Expr::Attribute(..) => Err(Fault::Type),
            Expr::Index(value, index) => {
                let (value, index) = (self.value(value)?, self.value(index)?.int()?);
                at(value, index)
            }
            Expr::Slice(value, parts) => self.slice(value, parts),
        }
    }

    fn method(&mut self, receiver: &'p Expr, name: &str, arguments: &'p [Expr]) -> Result<Value, Fault> {
        if name == "fromkeys" && matches!(receiver, Expr::Name(class) if class == "dict") {
            return builtins::without_repeats(self.values(arguments)?);
        }
        let receiver = self.value(receiver)?;
        short(builtins::method(receiver, name, &self.values(arguments)?)?)
    }

    pub(super) fn values(&mut self, list: &'p [Expr]) -> Result<Vec<Value>, Fault> {
        list.iter().map(|expr| self.value(expr)).collect()
    }

    fn comprehend(
        &mut self,
        item: &'p Expr,
        clauses: &'p [Clause],
        found: &mut Vec<Value>,
    ) -> Result<(), Fault> {
        let Some((clause, inner)) = clauses.split_first() else {
            found.push(self.value(item)?);
            return Ok(());
        };
        let before = self.variables.len();
        for element in self.value(&clause.source)?.items()? {
            // New variables: those of the same name outside are not touched.
            self.variables.truncate(before);
            let values = Self::unpacked(&clause.targets, element)?;
            self.variables.extend(clause.targets.iter().map(String::as_str).zip(values));
            let mut holds = true;
            for condition in &clause.conditions {
                holds = holds && self.value(condition)?.truth();
            }
            if holds {
                self.comprehend(item, inner, found)?;
            }
        }
        Ok(())
    }

    fn compared(&mut self, first: &'p Expr, rest: &'p [(Comparison, Expr)]) -> Result<Value, Fault> {
        let mut left = self.value(first)?;
        for (comparison, right) in rest {
            let right = self.value(right)?;
            if !holds(&left, *comparison, &right)? {
                return Ok(Value::Bool(false));
            }
            left = right;
        }
        Ok(Value::Bool(true))
    }

    fn slice(&mut self, value: &'p Expr, parts: &'p [Option<Box<Expr>>; 3]) -> Result<Value, Fault> {
        let value = self.value(value)?;
        let mut numbers = [None; 3];
        for (number, part) in numbers.iter_mut().zip(parts) {
            *number = part.as_ref().map(|part| self.value(part)?.int()).transpose()?;
        }
        let is_text = matches!(value, Value::Text(_));
        let items = value.items()?;
        let picked = places(items.len(), numbers)?.into_iter().map(|place| items[place].clone());
        if is_text { text_of(&picked.collect::<Vec<_>>()) } else { Ok(Value::List(picked.collect())) }
    }
}

/// The places that a slice of so long a list picks, in its order.
fn places(length: usize, [start, stop, step]: [Option<i64>; 3]) -> Result<Vec<usize>, Fault> {
    let length = i64::try_from(length).map_err(|_too_long| Fault::Limit)?;
    let step = step.unwrap_or(1);
    let (low, high) = if step < 0 { (-1, length - 1) } else { (0, length) };
    let bound = |given: Option<i64>, default: i64| match given {
        None => default,
        Some(place) if place < 0 => (place + length).max(low),
        Some(place) => place.min(high),
    };
    let (first, end) = if step < 0 { (high, low) } else { (low, high) };
    let (mut place, end) = (bound(start, first), bound(stop, end));
    let mut picked = Vec::new();
    if step == 0 {
        return Err(Fault::Value);
    }
    while if step > 0 { place < end } else { place > end } {
        picked.extend(usize::try_from(place));
        place += step;
    }
    Ok(picked)
}

/// The texts joined.
pub(super) fn text_of(letters: &[Value]) -> Result<Value, Fault> {
    letters.iter().map(Value::as_text).collect::<Result<String, Fault>>().map(Value::Text)
}

fn at(value: Value, index: i64) -> Result<Value, Fault> {
    let mut items = value.items()?;
    let length = i64::try_from(items.len()).map_err(|_too_long| Fault::Limit)?;
    let place = if index < 0 { index + length } else { index };
    let place = usize::try_from(place).map_err(|_negative| Fault::Index)?;
    if place < items.len() { Ok(items.swap_remove(place)) } else { Err(Fault::Index) }
}

fn holds(left: &Value, comparison: Comparison, right: &Value) -> Result<bool, Fault> {
    Ok(match comparison {
        Comparison::Equal => left == right,
        Comparison::Unequal => left != right,
        Comparison::Less => left.order(right)?.is_lt(),
        Comparison::AtMost => left.order(right)?.is_le(),
        Comparison::Greater => left.order(right)?.is_gt(),
        Comparison::AtLeast => left.order(right)?.is_ge(),
        Comparison::In => contains(right, left)?,
        Comparison::NotIn => !contains(right, left)?,
    })
}

fn contains(whole: &Value, part: &Value) -> Result<bool, Fault> {
    match whole {
        Value::List(items) => Ok(items.contains(part)),
        Value::Text(text) => Ok(text.contains(part.as_text()?)),
        Value::None | Value::Bool(_) | Value::Int(_) => Err(Fault::Type),
    }
}

fn binary(operator: &str, one: Value, other: Value) -> Result<Value, Fault> {
    match (operator, one, other) {
        ("+", Value::Text(one), Value::Text(other)) => short(Value::Text(one + &other)),
        ("+", Value::List(one), Value::List(other)) => short(Value::List([one, other].concat())),
        ("*", Value::Text(text), count) => short(Value::Text(text.repeat(times(text.len(), &count)?))),
        ("*", Value::List(items), count) => {
            let times = times(items.len(), &count)?;
            short(Value::List(std::iter::repeat_n(items, times).flatten().collect()))
        }
        (operator, one, other) => arithmetic(operator, one.int()?, other.int()?).map(Value::Int),
    }
}

fn times(length: usize, count: &Value) -> Result<usize, Fault> {
    let count = usize::try_from(count.int()?.max(0)).map_err(|_too_many| Fault::Limit)?;
    if count.saturating_mul(length.max(1)) > MAX_LENGTH { Err(Fault::Limit) } else { Ok(count) }
}

fn arithmetic(operator: &str, one: i64, other: i64) -> Result<i64, Fault> {
    if matches!(operator, "//" | "%") && other == 0 {
        return Err(Fault::Zero);
    }
    let number = match operator {
        "+" => one.checked_add(other),
        "-" => one.checked_sub(other),
        "*" => one.checked_mul(other),
        // Towards minus infinity, where Rust's goes towards zero.
        "//" => one
            .checked_div(other)
            .map(|quotient| quotient - i64::from(one % other != 0 && (one < 0) != (other < 0))),
        "%" => one
            .checked_rem(other)
            .map(|rest| if rest != 0 && (rest < 0) != (other < 0) { rest + other } else { rest }),
        _ => u32::try_from(other).ok().and_then(|other| one.checked_pow(other)),
    };
    number.ok_or(Fault::Limit)
}

fn short(value: Value) -> Result<Value, Fault> {
    let length = match &value {
        Value::Text(text) => text.len(),
        Value::List(items) => items.len(),
        Value::None | Value::Bool(_) | Value::Int(_) => 0,
    };
    if length > MAX_LENGTH { Err(Fault::Limit) } else { Ok(value) }
}
