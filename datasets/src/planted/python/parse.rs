//! From a body's text to its statements: recursive descent, a level for each precedence of Python's grammar.

use super::Value;
use super::lex::{Token, tokens};

#[derive(Debug, Clone)]
pub(super) enum Statement {
    Assign(String, Expr),
    /// `name += value` and its relatives.
    Update(String, &'static str, Expr),
    /// `name.append(value)`.
    Append(String, Expr),
    For(Vec<String>, Expr, Vec<Statement>),
    While(Expr, Vec<Statement>),
    If(Expr, Vec<Statement>, Vec<Statement>),
    Return(Expr),
}

#[derive(Debug, Clone)]
pub(super) enum Expr {
    Constant(Value),
    Name(String),
    List(Vec<Expr>),
    /// A comprehension, or a generator, which is gone through at once here.
    Comprehension(Box<Expr>, Vec<Clause>),
    Minus(Box<Expr>),
    Not(Box<Expr>),
    Binary(&'static str, Box<Expr>, Box<Expr>),
    Compare(Box<Expr>, Vec<(Comparison, Expr)>),
    And(Box<Expr>, Box<Expr>),
    Or(Box<Expr>, Box<Expr>),
    /// Condition, then, otherwise.
    Choose(Box<Expr>, Box<Expr>, Box<Expr>),
    Call(String, Arguments),
    Method(Box<Expr>, String, Vec<Expr>),
    /// A method that is not called: a key to sort by.
    Attribute(Box<Expr>, String),
    Index(Box<Expr>, Box<Expr>),
    Slice(Box<Expr>, [Option<Box<Expr>>; 3]),
}

#[derive(Debug, Clone, Default)]
pub(super) struct Arguments {
    pub(super) places: Vec<Expr>,
    pub(super) names: Vec<(String, Expr)>,
}

/// `for targets in source if condition …`.
#[derive(Debug, Clone)]
pub(super) struct Clause {
    pub(super) targets: Vec<String>,
    pub(super) source: Expr,
    pub(super) conditions: Vec<Expr>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Comparison {
    Equal,
    Unequal,
    Less,
    AtMost,
    Greater,
    AtLeast,
    In,
    NotIn,
}

const COMPARISONS: [(&str, Comparison); 6] = [
    ("==", Comparison::Equal),
    ("!=", Comparison::Unequal),
    ("<=", Comparison::AtMost),
    (">=", Comparison::AtLeast),
    ("<", Comparison::Less),
    (">", Comparison::Greater),
];

/// Words that are no names.
const RESERVED: [&str; 18] = [
    "and", "or", "not", "in", "is", "if", "elif", "else", "for", "while", "return", "lambda", "def",
    "import", "from", "pass", "break", "continue",
];

pub(super) fn program(text: &str) -> Result<Vec<Statement>, String> {
    let lines: Vec<(usize, &str)> = text
        .lines()
        .filter(|line| !line.trim().is_empty())
        .map(|line| (line.len() - line.trim_start().len(), line))
        .collect();
    let depth = lines.first().map_or(0, |(depth, _)| *depth);
    let mut lines = lines.as_slice();
    let statements = block(&mut lines, depth)?;
    match lines.first() {
        None => Ok(statements),
        Some((_, line)) => Err(format!("an unexpected line `{}`", line.trim())),
    }
}

/// The statements at one depth.
fn block(lines: &mut &[(usize, &str)], depth: usize) -> Result<Vec<Statement>, String> {
    let mut statements = Vec::new();
    while let Some((at, line)) = lines.first().filter(|(at, _)| *at >= depth) {
        if *at > depth {
            return Err(format!("`{}` stands too deep", line.trim()));
        }
        *lines = &lines[1..];
        statements.push(statement(line, lines, depth)?);
    }
    if statements.is_empty() { Err("a block without a statement".to_owned()) } else { Ok(statements) }
}

fn inner(lines: &mut &[(usize, &str)], depth: usize) -> Result<Vec<Statement>, String> {
    match lines.first() {
        Some((at, _)) if *at > depth => block(lines, *at),
        _ => Err("a block without a statement".to_owned()),
    }
}

fn statement(line: &str, lines: &mut &[(usize, &str)], depth: usize) -> Result<Statement, String> {
    let mut parser = Parser { tokens: tokens(line)?, at: 0 };
    let statement = if parser.word("return") {
        Statement::Return(parser.expression()?)
    } else if parser.word("for") {
        let targets = parser.targets()?;
        parser.expect_word("in")?;
        let source = parser.expression()?;
        parser.expect(":")?;
        Statement::For(targets, source, inner(lines, depth)?)
    } else if parser.word("while") {
        let condition = parser.expression()?;
        parser.expect(":")?;
        Statement::While(condition, inner(lines, depth)?)
    } else if parser.word("if") {
        return branches(parser, lines, depth);
    } else {
        simple(&mut parser)?
    };
    parser.end(statement)
}

/// An `if` whose word is read, with its `elif`s and `else`.
fn branches(mut parser: Parser, lines: &mut &[(usize, &str)], depth: usize) -> Result<Statement, String> {
    let condition = parser.expression()?;
    parser.expect(":")?;
    let then = inner(lines, depth)?;
    let mut otherwise = Vec::new();
    if let Some((_, line)) = lines.first().filter(|(at, _)| *at == depth) {
        let mut next = Parser { tokens: tokens(line)?, at: 0 };
        if next.word("elif") {
            *lines = &lines[1..];
            otherwise.push(branches(next, lines, depth)?);
        } else if next.word("else") {
            next.expect(":")?;
            *lines = &lines[1..];
            otherwise = inner(lines, depth)?;
        }
    }
    parser.end(Statement::If(condition, then, otherwise))
}

fn simple(parser: &mut Parser) -> Result<Statement, String> {
    let name = parser.name()?;
    if parser.mark("=") {
        return Ok(Statement::Assign(name, parser.expression()?));
    }
    for (mark, operator) in [("+=", "+"), ("-=", "-"), ("*=", "*")] {
        if parser.mark(mark) {
            return Ok(Statement::Update(name, operator, parser.expression()?));
        }
    }
    parser.expect(".")?;
    parser.expect_word("append")?;
    parser.expect("(")?;
    let item = parser.expression()?;
    parser.expect(")")?;
    Ok(Statement::Append(name, item))
}

struct Parser {
    tokens: Vec<Token>,
    at: usize,
}

impl Parser {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at)
    }

    fn mark(&mut self, mark: &str) -> bool {
        let is_it = matches!(self.peek(), Some(Token::Mark(found)) if *found == mark);
        self.at += usize::from(is_it);
        is_it
    }

    fn word(&mut self, word: &str) -> bool {
        let is_it = matches!(self.peek(), Some(Token::Name(found)) if found == word);
        self.at += usize::from(is_it);
        is_it
    }

    fn expect(&mut self, mark: &str) -> Result<(), String> {
        if self.mark(mark) { Ok(()) } else { Err(format!("`{mark}` is missing before {:?}", self.peek())) }
    }

    fn expect_word(&mut self, word: &str) -> Result<(), String> {
        if self.word(word) { Ok(()) } else { Err(format!("`{word}` is missing before {:?}", self.peek())) }
    }

    fn end(&self, statement: Statement) -> Result<Statement, String> {
        match self.peek() {
            None => Ok(statement),
            Some(token) => Err(format!("an unexpected {token:?}")),
        }
    }

    fn name(&mut self) -> Result<String, String> {
        match self.peek() {
            Some(Token::Name(name)) if !RESERVED.contains(&name.as_str()) => {
                let name = name.clone();
                self.at += 1;
                Ok(name)
            }
            other => Err(format!("a name is missing before {other:?}")),
        }
    }

    fn targets(&mut self) -> Result<Vec<String>, String> {
        let mut names = vec![self.name()?];
        while self.mark(",") {
            names.push(self.name()?);
        }
        Ok(names)
    }

    /// `a if c else b`, the weakest.
    fn expression(&mut self) -> Result<Expr, String> {
        let then = self.either()?;
        if !self.word("if") {
            return Ok(then);
        }
        let condition = self.either()?;
        self.expect_word("else")?;
        let otherwise = self.expression()?;
        Ok(Expr::Choose(Box::new(condition), Box::new(then), Box::new(otherwise)))
    }

    fn either(&mut self) -> Result<Expr, String> {
        let mut left = self.both()?;
        while self.word("or") {
            left = Expr::Or(Box::new(left), Box::new(self.both()?));
        }
        Ok(left)
    }

    fn both(&mut self) -> Result<Expr, String> {
        let mut left = self.negated()?;
        while self.word("and") {
            left = Expr::And(Box::new(left), Box::new(self.negated()?));
        }
        Ok(left)
    }

    fn negated(&mut self) -> Result<Expr, String> {
        if self.word("not") { Ok(Expr::Not(Box::new(self.negated()?))) } else { self.comparison() }
    }

    fn comparison(&mut self) -> Result<Expr, String> {
        let first = self.sum()?;
        let mut rest = Vec::new();
        while let Some(comparison) = self.comparing()? {
            rest.push((comparison, self.sum()?));
        }
        Ok(if rest.is_empty() { first } else { Expr::Compare(Box::new(first), rest) })
    }

    fn comparing(&mut self) -> Result<Option<Comparison>, String> {
        if let Some((_, comparison)) = COMPARISONS.into_iter().find(|(mark, _)| self.mark(mark)) {
            return Ok(Some(comparison));
        }
        if self.word("in") {
            return Ok(Some(Comparison::In));
        }
        if self.word("not") {
            self.expect_word("in")?;
            return Ok(Some(Comparison::NotIn));
        }
        Ok(None)
    }

    fn sum(&mut self) -> Result<Expr, String> {
        let mut left = self.product()?;
        while let Some(operator) = ["+", "-"].into_iter().find(|mark| self.mark(mark)) {
            left = Expr::Binary(operator, Box::new(left), Box::new(self.product()?));
        }
        Ok(left)
    }

    fn product(&mut self) -> Result<Expr, String> {
        let mut left = self.signed()?;
        while let Some(operator) = ["*", "//", "%"].into_iter().find(|mark| self.mark(mark)) {
            left = Expr::Binary(operator, Box::new(left), Box::new(self.signed()?));
        }
        Ok(left)
    }

    fn signed(&mut self) -> Result<Expr, String> {
        if self.mark("-") {
            return Ok(Expr::Minus(Box::new(self.signed()?)));
        }
        let base = self.postfix()?;
        if self.mark("**") {
            return Ok(Expr::Binary("**", Box::new(base), Box::new(self.signed()?)));
        }
        Ok(base)
    }

    fn postfix(&mut self) -> Result<Expr, String> {
        let mut value = self.atom()?;
        loop {
            if self.mark(".") {
                let name = self.name()?;
                value = if self.mark("(") {
                    let Arguments { places, names } = self.arguments()?;
                    if !names.is_empty() {
                        return Err(format!("`{name}` with a named argument"));
                    }
                    Expr::Method(Box::new(value), name, places)
                } else {
                    Expr::Attribute(Box::new(value), name)
                };
            } else if self.mark("[") {
                value = self.subscript(value)?;
            } else {
                return Ok(value);
            }
        }
    }

    fn subscript(&mut self, value: Expr) -> Result<Expr, String> {
        let mut parts = [None, None, None];
        let mut part = 0;
        loop {
            if self.mark("]") {
                break;
            }
            if self.mark(":") {
                part += 1;
                if part > 2 {
                    return Err("a slice of four parts".to_owned());
                }
                continue;
            }
            parts[part] = Some(Box::new(self.expression()?));
        }
        match (part, parts) {
            (0, [Some(index), _, _]) => Ok(Expr::Index(Box::new(value), index)),
            (0, _) => Err("an index is missing".to_owned()),
            (_, parts) => Ok(Expr::Slice(Box::new(value), parts)),
        }
    }

    fn atom(&mut self) -> Result<Expr, String> {
        if self.mark("(") {
            return self.listed(")");
        }
        if self.mark("[") {
            return self.listed("]");
        }
        let constant = match self.peek() {
            Some(Token::Int(number)) => Value::Int(*number),
            Some(Token::Text(text)) => Value::text(text),
            Some(Token::Name(name)) if name == "True" => Value::Bool(true),
            Some(Token::Name(name)) if name == "False" => Value::Bool(false),
            Some(Token::Name(name)) if name == "None" => Value::None,
            _ => {
                let name = self.name()?;
                return if self.mark("(") {
                    Ok(Expr::Call(name, self.arguments()?))
                } else {
                    Ok(Expr::Name(name))
                };
            }
        };
        self.at += 1;
        Ok(Expr::Constant(constant))
    }

    /// What stands between brackets whose first is read: one in parentheses is itself.
    fn listed(&mut self, close: &str) -> Result<Expr, String> {
        let mut items = Vec::new();
        let mut is_list = close == "]";
        while !self.mark(close) {
            let item = self.expression()?;
            if items.is_empty() && self.word("for") {
                let clauses = self.clauses()?;
                self.expect(close)?;
                return Ok(Expr::Comprehension(Box::new(item), clauses));
            }
            items.push(item);
            if self.mark(",") {
                is_list = true;
            } else {
                self.expect(close)?;
                break;
            }
        }
        match (is_list, items.pop()) {
            (false, Some(item)) => Ok(item),
            (true, Some(item)) => {
                items.push(item);
                Ok(Expr::List(items))
            }
            (_, None) => Ok(Expr::List(items)),
        }
    }

    /// The clauses behind a `for` that is read.
    fn clauses(&mut self) -> Result<Vec<Clause>, String> {
        let mut clauses = Vec::new();
        loop {
            let targets = self.targets()?;
            self.expect_word("in")?;
            let source = self.either()?;
            let mut conditions = Vec::new();
            while self.word("if") {
                conditions.push(self.either()?);
            }
            clauses.push(Clause { targets, source, conditions });
            if !self.word("for") {
                return Ok(clauses);
            }
        }
    }

    /// The arguments behind an opening parenthesis that is read.
    fn arguments(&mut self) -> Result<Arguments, String> {
        let mut arguments = Arguments::default();
        while !self.mark(")") {
            let is_named = matches!(self.tokens.get(self.at + 1), Some(Token::Mark("=")));
            if is_named {
                let name = self.name()?;
                self.expect("=")?;
                arguments.names.push((name, self.expression()?));
            } else {
                let item = self.expression()?;
                if self.word("for") {
                    let clauses = self.clauses()?;
                    arguments.places.push(Expr::Comprehension(Box::new(item), clauses));
                } else {
                    arguments.places.push(item);
                }
            }
            if !self.mark(",") {
                self.expect(")")?;
                break;
            }
        }
        Ok(arguments)
    }
}

impl Statement {
    /// The numbers and texts that are written in it.
    pub(super) fn constants(&self, found: &mut Vec<Value>) {
        let mut all =
            |statements: &[Self]| statements.iter().for_each(|statement| statement.constants(found));
        match self {
            Self::Assign(_, value)
            | Self::Update(_, _, value)
            | Self::Append(_, value)
            | Self::Return(value) => {
                value.constants(found);
            }
            Self::For(_, value, body) | Self::While(value, body) => {
                all(body);
                value.constants(found);
            }
            Self::If(value, then, otherwise) => {
                all(then);
                all(otherwise);
                value.constants(found);
            }
        }
    }
}

impl Expr {
    fn constants(&self, found: &mut Vec<Value>) {
        match self {
            Self::Constant(value) => found.push(value.clone()),
            Self::Name(_) => {}
            Self::List(items) => items.iter().for_each(|item| item.constants(found)),
            Self::Comprehension(item, clauses) => {
                item.constants(found);
                for clause in clauses {
                    clause.source.constants(found);
                    clause.conditions.iter().for_each(|condition| condition.constants(found));
                }
            }
            Self::Minus(value) | Self::Not(value) | Self::Attribute(value, _) => value.constants(found),
            Self::Binary(_, one, other)
            | Self::And(one, other)
            | Self::Or(one, other)
            | Self::Index(one, other) => {
                one.constants(found);
                other.constants(found);
            }
            Self::Compare(first, rest) => {
                first.constants(found);
                rest.iter().for_each(|(_, value)| value.constants(found));
            }
            Self::Choose(one, other, third) => {
                [one, other, third].into_iter().for_each(|value| value.constants(found));
            }
            Self::Call(_, arguments) => {
                arguments.places.iter().for_each(|value| value.constants(found));
                arguments.names.iter().for_each(|(_, value)| value.constants(found));
            }
            Self::Method(value, _, arguments) => {
                value.constants(found);
                arguments.iter().for_each(|value| value.constants(found));
            }
            Self::Slice(value, parts) => {
                value.constants(found);
                parts.iter().flatten().for_each(|part| part.constants(found));
            }
        }
    }
}
