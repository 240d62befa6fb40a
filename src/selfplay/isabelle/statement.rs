//! Isabelle's statements as text: what a conjecturer may say, what makes two the same, and the checks that are made of one.
//!
//! As for Lean (see [`statement`](crate::selfplay::statement)), a conjecture is a model's text that will stand where the
//! verifier expects a trusted statement: only `fixes`, `assumes` and `shows`, or one proposition, are let through.

use super::super::statement::{MOST_CHARS, Unparsable, hash};
use proofloop_verifiers::isabelle::commands::role;
use proofloop_verifiers::isabelle::lexer::{self, Token, TokenKind};
use proofloop_verifiers::isabelle::policy;
use proofloop_verifiers::isabelle::statement::Head;
use proofloop_verifiers::isabelle::symbols::to_ascii;
use std::collections::{BTreeMap, BTreeSet};

/// Clauses of a theorem that a conjecture may not have: they declare more than it says, or name what is declared elsewhere.
const OTHER_CLAUSES: [&str; 9] =
    ["constrains", "defines", "for", "if", "includes", "notes", "obtains", "opening", "unfolds"];

/// What a theorem says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Clauses {
    /// Declarations: `x y :: nat`.
    fixes: Vec<String>,
    /// With their labels, by which proofs name them.
    assumes: Vec<Assumption>,
    /// Propositions with their quotation marks.
    shows: Vec<String>,
}

/// `h: "x < y"`, or without its label.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Assumption {
    label: Option<String>,
    /// With its quotation marks.
    proposition: String,
}

impl Assumption {
    fn text(&self) -> String {
        match &self.label {
            Some(label) => format!("{label}: {}", self.proposition),
            None => self.proposition.clone(),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Section {
    Start,
    /// Propositions without a keyword, behind which no clause may stand.
    Short,
    Fixes,
    Assumes,
    Shows,
}

impl Clauses {
    /// Reads what stands behind a theorem's name.
    fn parse(tokens: &[Token<'_>]) -> Result<Self, Unparsable> {
        let mut clauses = Self::default();
        let mut section = Section::Start;
        let mut label = None;
        let mut at = 0;
        while let Some(token) = tokens.get(at) {
            at += 1;
            let forbidden = || Unparsable::Forbidden(token.content().to_owned());
            let is_word = matches!(token.kind, TokenKind::Word | TokenKind::Symbol);
            match (token.text, section) {
                // `fixes x fixes y` says what `fixes x and y` says.
                ("fixes", Section::Start | Section::Fixes) | ("and", Section::Fixes) => {
                    section = Section::Fixes;
                    clauses.fixes.push(String::new());
                }
                ("assumes", Section::Start | Section::Fixes | Section::Assumes) => section = Section::Assumes,
                ("shows", Section::Start | Section::Fixes | Section::Assumes) => section = Section::Shows,
                (text, _) if is_word && (role(text).is_some() || OTHER_CLAUSES.contains(&text)) => {
                    return Err(forbidden());
                }
                ("fixes" | "assumes" | "shows", _) => return Err(forbidden()),
                (_, Section::Fixes) => clauses.declare(token, tokens.get(at))?,
                ("and", _) => {}
                (_, Section::Start | Section::Short | Section::Assumes | Section::Shows) => {
                    let has_labels = matches!(section, Section::Assumes | Section::Shows);
                    let is_label = token.kind == TokenKind::Word && has_labels;
                    if is_label && tokens.get(at).is_some_and(|next| next.text == ":") {
                        label = Some(token.text);
                        at += 1;
                        continue;
                    }
                    if section == Section::Start {
                        section = Section::Short;
                    }
                    clauses.propose(token, section, label.take())?;
                }
            }
        }
        for one in &mut clauses.fixes {
            one.truncate(one.trim_end().len());
            if one.is_empty() {
                return Err(Unparsable::Binder("fixes".to_owned()));
            }
        }
        if clauses.shows.is_empty() { Err(Unparsable::NoProposition) } else { Ok(clauses) }
    }

    fn declare(&mut self, token: &Token<'_>, next: Option<&Token<'_>>) -> Result<(), Unparsable> {
        // No brackets: a type of several parts stands in quotation marks, and what stands in brackets is notation.
        let is_plain = matches!(token.kind, TokenKind::Word | TokenKind::Variable) || token.text == ":";
        let is_type = |before: &str| token.kind == TokenKind::Text && before.trim_end().ends_with("::");
        let Some(last) = self.fixes.last_mut().filter(|before| is_plain || is_type(before)) else {
            return Err(Unparsable::Binder(token.content().to_owned()));
        };
        last.push_str(&one_line(token.text));
        // What stands apart stays apart: `::` is two tokens.
        let is_joined = next.is_some_and(|next| next.offset == token.offset + token.text.len());
        if !is_joined {
            last.push(' ');
        }
        Ok(())
    }

    fn propose(
        &mut self,
        token: &Token<'_>,
        section: Section,
        label: Option<&str>,
    ) -> Result<(), Unparsable> {
        let is_term = match token.kind {
            TokenKind::Text | TokenKind::Cartouche => !token.content().trim().is_empty(),
            TokenKind::Word => section != Section::Short,
            TokenKind::Variable
            | TokenKind::Number
            | TokenKind::AltText
            | TokenKind::Symbol
            | TokenKind::Comment => false,
        };
        if !is_term {
            return Err(Unparsable::Binder(token.content().to_owned()));
        }
        let proposition = one_line(token.text);
        // Without clauses, what is said is what is shown. What is shown has no proof that could name it.
        match section {
            Section::Assumes => {
                self.assumes.push(Assumption { label: label.map(str::to_owned), proposition });
            }
            Section::Start | Section::Short | Section::Fixes | Section::Shows => self.shows.push(proposition),
        }
        Ok(())
    }

    fn of(statement: &str) -> Option<Self> {
        let text = behind_name(statement)?;
        Self::parse(&policy::clean_tokens(&text).ok()?).ok()
    }

    /// `x y :: nat and z :: real`; empty without any.
    fn variables(&self) -> String {
        self.fixes.join(" and ")
    }

    fn text(&self) -> String {
        let mut lines = Vec::new();
        if !self.fixes.is_empty() {
            lines.push(format!("fixes {}", self.variables()));
        }
        if !self.assumes.is_empty() {
            let assumptions: Vec<String> = self.assumes.iter().map(Assumption::text).collect();
            lines.push(format!("assumes {}", assumptions.join(" and ")));
        }
        let shows = self.shows.join(" and ");
        // Without its keyword a proposition stands in quotation marks.
        let is_quoted = |text: &String| text.starts_with('"') || text.starts_with("\\<open>");
        let is_short = lines.is_empty() && self.shows.iter().all(is_quoted);
        lines.push(if is_short { shows } else { format!("shows {shows}") });
        lines.join(" ")
    }

    /// With the variables under names by their order: what is declared, and every name of one letter, which in HOL is no
    /// constant.
    fn canonical(&self) -> String {
        let declared: BTreeSet<String> = self
            .fixes
            .iter()
            .filter_map(|one| one.split(':').next())
            .flat_map(|names| names.split_whitespace().map(str::to_owned))
            .collect();
        let mut names = BTreeMap::new();
        let mut canonical = |text: &str| {
            let inner = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
            let inner = inner.unwrap_or_else(|| {
                let cartouche = text.strip_prefix("\\<open>");
                cartouche.and_then(|rest| rest.strip_suffix("\\<close>")).unwrap_or(text)
            });
            let mut words = Vec::new();
            for word in words_of(inner) {
                let is_variable = declared.contains(word) || is_one_letter(word);
                let next = names.len();
                words.push(if is_variable {
                    format!("v{}", names.entry(word.to_owned()).or_insert(next))
                } else {
                    word.to_owned()
                });
            }
            words.join(" ")
        };
        let mut parts = Vec::new();
        parts.extend(self.fixes.iter().map(|one| format!("fixes {}", canonical(one))));
        parts.extend(self.assumes.iter().map(|one| format!("assumes {}", canonical(&one.proposition))));
        parts.extend(self.shows.iter().map(|one| format!("shows {}", canonical(one))));
        parts.join("\n")
    }
}

/// `x`, `x1`, `x'`: no name of a constant, but for the compositions `f o g` and `r O s`.
fn is_one_letter(word: &str) -> bool {
    let mut rest = word.chars();
    !matches!(word, "o" | "O")
        && rest.next().is_some_and(|first| first.is_ascii_alphabetic())
        && rest.all(|next| next.is_ascii_digit() || next == '\'')
}

/// Names, symbols (`\<and>`) and single characters of inner syntax.
fn words_of(text: &str) -> Vec<&str> {
    let mut words = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let named = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '\'' | '.');
        let length = if rest.starts_with("\\<") {
            rest.find('>').map_or(rest.len(), |end| end + 1)
        } else if first.is_ascii_alphanumeric() {
            let name = rest.trim_start_matches(named);
            // A dot at the end is no part of a name: `\<forall>x. x`.
            rest[..rest.len() - name.len()].trim_end_matches('.').len()
        } else {
            first.len_utf8()
        };
        words.push(&rest[..length]);
        rest = rest[length..].trim_start();
    }
    words
}

/// White space made one space.
fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The statement that a conjecturer meant by the clauses of a theorem; its name follows from its content.
///
/// # Errors
/// [`Unparsable`] if that is not one plain theorem.
pub fn conjecture(answer: &str) -> Result<String, Unparsable> {
    let text = to_ascii(answer.trim());
    let length = text.chars().count();
    if length == 0 || length > MOST_CHARS {
        return Err(Unparsable::Length(length));
    }
    lexer::tokenize(&text).map_err(|_unclosed| Unparsable::Unbalanced)?;
    let tokens = policy::clean_tokens(&text).map_err(|finding| Unparsable::Forbidden(finding.name))?;
    let clauses = Clauses::parse(&tokens)?;
    let hash = blake3::hash(clauses.canonical().as_bytes()).to_string();
    Ok(format!("theorem conjecture_{}: {}", &hash[..12], clauses.text()))
}

/// As [`conjecture`], of a whole theorem; its name is not kept.
///
/// # Errors
/// As there, and if it does not begin with a theorem.
pub fn conjecture_of_theorem(answer: &str) -> Result<String, Unparsable> {
    let text = to_ascii(answer.trim());
    conjecture(&behind_name(&text).ok_or(Unparsable::NoTheorem)?)
}

/// What stands behind a theorem's name, attributes and colon, comments left out and white space made one space.
fn behind_name(statement: &str) -> Option<String> {
    let text = to_ascii(statement);
    let mut tokens = lexer::tokenize(&text).ok()?;
    tokens.retain(|token| token.kind != TokenKind::Comment);
    let head = Head::of(&tokens)?;
    let mut at = 1 + usize::from(head.name.is_some());
    if tokens.get(at).is_some_and(|token| token.text == "[") {
        at += 1 + tokens[at..].iter().position(|token| token.text == "]")?;
    }
    if tokens.get(at).is_some_and(|token| token.text == ":") {
        at += 1;
    }
    let mut said = String::new();
    for (index, token) in tokens.iter().enumerate().skip(at) {
        let before = &tokens[index - 1];
        if index > at && before.offset + before.text.len() != token.offset {
            said.push(' ');
        }
        said.push_str(&one_line(token.text));
    }
    Some(said)
}

/// The statement without its name, attributes and comments: `theorem fixes x :: nat shows "x = x"`. One that cannot be taken
/// apart stays as it is.
#[must_use]
pub fn without_name(statement: &str) -> String {
    behind_name(statement).map_or_else(|| statement.to_owned(), |rest| format!("theorem {rest}"))
}

/// What makes two statements the same: the header, and what they say up to the names of the theorem, of its assumptions and
/// of its variables.
#[must_use]
pub fn key(header: &str, statement: &str) -> [u8; 32] {
    let said = Clauses::of(statement).map_or_else(|| without_name(statement), |clauses| clauses.canonical());
    hash(header, said.as_bytes())
}

/// A theorem and its proof, which Isabelle accepts only if `conjecture` is well-typed: everything that it says is assumed
/// there, and nothing is pinned that a model wrote.
#[must_use]
pub fn typing_check(conjecture: &str) -> Option<(String, String)> {
    let clauses = Clauses::of(conjecture)?;
    let said: Vec<String> =
        clauses.assumes.iter().map(Assumption::text).chain(clauses.shows.iter().cloned()).collect();
    let variables = clauses.variables();
    let variables = if variables.is_empty() { String::new() } else { format!(" for {variables}") };
    let proof = format!(
        "\nproof -\n  have \"True\" if {}{variables}\n    by (rule TrueI)\n  show \"True\"\n    by (rule TrueI)\nqed",
        said.join(" and ")
    );
    Some(("theorem well_typed: \"True\"".to_owned(), proof))
}

/// The statement that the assumptions contradict each other; `None` if there are none: every type of HOL has a value.
#[must_use]
pub fn contradiction_check(conjecture: &str) -> Option<String> {
    let clauses = Clauses::of(conjecture)?;
    if clauses.assumes.is_empty() {
        return None;
    }
    let absurd = Clauses { shows: vec!["\"False\"".to_owned()], ..clauses };
    Some(format!("theorem contradictory: {}", absurd.text()))
}

/// A proof that tries each of these methods in turn, until one leaves nothing to prove.
#[must_use]
pub fn try_each(methods: &[String]) -> String {
    let each: Vec<String> = methods.iter().map(|method| format!("({method}; fail)")).collect();
    format!("\n  by ({})", each.join(" | "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn refused(answer: &str) -> Unparsable {
        conjecture(answer).expect_err(answer)
    }

    #[test]
    fn one_plain_theorem_is_a_conjecture() {
        let text =
            conjecture("fixes x y :: nat\n  assumes h0: \"x < y\"\n  and \"0 < x\" shows \"x \\<noteq> y\"")
                .expect("parses");
        assert_eq!(
            without_name(&text),
            "theorem fixes x y :: nat assumes h0: \"x < y\" and \"0 < x\" shows \"x \\<noteq> y\""
        );
        assert!(text.starts_with("theorem conjecture_"), "{text}");
        let renamed =
            conjecture("fixes a b::nat assumes \"a < b\" and \"0<a\" shows \"a ≠ b\"").expect("parses");
        assert_eq!(key("", &text), key("", &renamed));
        assert_ne!(key("", &text), key("imports Main\nbegin\n", &text));
        let short = conjecture("\"(x::nat) + y = y + x\"").expect("parses");
        assert_eq!(without_name(&short), "theorem \"(x::nat) + y = y + x\"");
        assert_eq!(key("", &short), key("", "lemma [simp]: shows \"(m::nat) + n = n + m\""));
        assert_ne!(key("", &short), key("", "lemma \"(x::nat) + y = x + y\""));
        assert_eq!(
            conjecture_of_theorem("lemma foo: shows False").expect("parses"),
            conjecture("shows False").expect("parses")
        );
        assert_eq!(without_name(&conjecture("shows False").expect("parses")), "theorem shows False");
        assert_eq!(conjecture_of_theorem("shows False"), Err(Unparsable::NoTheorem));
        assert_eq!(
            conjecture("fixes x fixes y::nat shows \"x = y\"").expect("parses"),
            conjecture("fixes x and y::nat shows \"x = y\"").expect("parses")
        );
    }

    #[test]
    fn what_could_reach_beyond_the_statement_is_refused() {
        assert_eq!(refused(""), Unparsable::Length(0));
        assert_eq!(refused("\"a = a"), Unparsable::Unbalanced);
        assert_eq!(refused("fixes x :: nat"), Unparsable::NoProposition);
        assert_eq!(refused("assumes \"x = y\""), Unparsable::NoProposition);
        assert_eq!(refused("\" \""), Unparsable::Binder(" ".to_owned()));
        assert_eq!(refused("fixes shows \"True\""), Unparsable::Binder("fixes".to_owned()));
        assert_eq!(refused("fixes x and shows \"True\""), Unparsable::Binder("fixes".to_owned()));
        assert_eq!(refused("fixes \"x\" shows \"True\""), Unparsable::Binder("x".to_owned()));
        assert_eq!(refused("x = y"), Unparsable::Binder("x".to_owned()));
        for answer in [
            "\"True\" by simp",
            "\"True\" sorry lemma \"False\"",
            "shows \"True\" shows \"True\"",
            "shows \"True\" assumes \"False\"",
            "assumes \"x\" obtains y where \"y\"",
            "\"True\" if \"False\"",
            "\"x = y\" fixes x :: nat",
            "includes foo shows \"True\"",
            "\"True\" ML \\<open>1\\<close>",
            "\"@{ML \\<open>1\\<close>}\"",
        ] {
            assert!(matches!(refused(answer), Unparsable::Forbidden(_)), "{answer}: {:?}", refused(answer));
        }
        assert!(matches!(refused("shows h [simp]: \"True\""), Unparsable::Binder(_)));
        assert_eq!(refused("fixes x :: nat (\"0\") shows \"x = 0\""), Unparsable::Binder("(".to_owned()));
    }

    #[test]
    fn the_checks_that_are_made_of_a_conjecture() {
        let text = conjecture(
            "fixes x :: nat and f :: \"nat \\<Rightarrow> nat\" assumes less: \"f x < x\" shows \"0 < x\"",
        )
        .expect("parses");
        let (statement, proof) = typing_check(&text).expect("parts");
        insta::assert_snapshot!(format!("{statement}{proof}"), @r#"
        theorem well_typed: "True"
        proof -
          have "True" if less: "f x < x" and "0 < x" for x :: nat and f :: "nat \<Rightarrow> nat"
            by (rule TrueI)
          show "True"
            by (rule TrueI)
        qed
        "#);
        assert!(policy::completion(&proof, policy::Rules::Strict).is_ok());
        let check = contradiction_check(&text).expect("has assumptions");
        assert_eq!(
            check,
            "theorem contradictory: fixes x :: nat and f :: \"nat \\<Rightarrow> nat\" assumes less: \"f x < x\" shows \"False\""
        );
        let closed = conjecture("\"(1::nat) = 1\"").expect("parses");
        assert_eq!(contradiction_check(&closed), None);
        let tried = try_each(&["simp".to_owned(), "auto".to_owned()]);
        assert_eq!(tried, "\n  by ((simp; fail) | (auto; fail))");
        assert!(policy::completion(&tried, policy::Rules::Strict).is_ok());
    }

    #[test]
    fn names_come_off() {
        let text = "lemma (* doc *) foo [simp, intro]:\n  fixes n :: nat\n  shows \"n = n\"";
        assert_eq!(without_name(text), "theorem fixes n :: nat shows \"n = n\"");
        assert_eq!(without_name("theorem \"a = a\""), "theorem \"a = a\"");
        assert_eq!(without_name("no theorem"), "no theorem");
        assert_eq!(
            words_of("\\<forall>x. f x\\<^sub>1 \\<le> Nat.add(2)"),
            ["\\<forall>", "x", ".", "f", "x", "\\<^sub>", "1", "\\<le>", "Nat.add", "(", "2", ")"]
        );
    }

    proptest! {
        /// Whatever a model says, a conjecture that is let through is one statement, and is read back as itself.
        #[test]
        fn what_is_let_through_is_read_back(answer in prop_oneof![
            "((fixes|assumes|shows|and|if|by|h:|x|::|nat|\"x = y\"|\"\\(z::nat\\) < 1\"|\\\\<open>p\\\\<close>|\\[|\\(\\*c\\*\\)|[(){}:\"a-c]) ?){0,9}",
            "(fixes ((x|y1|f|and|::|: :|nat|:: ?\"nat  set\"|\\\\<alpha>|'a) ?){1,5} ){0,2}\
             (assumes ((h:|and|P|\" p\nx\"|\\\\<open>q y\\\\<close>|\\\\<alpha>) ?){0,4} ){0,2}\
             (shows )?((h ?:|and|P|\"p x\"|\\\\<open>q y\\\\<close>|\\\\<alpha>|\\(\\* c \\*\\)) ?){0,3}",
        ]) {
            if let Ok(text) = conjecture(&answer) {
                let again = conjecture_of_theorem(&text).expect("reads back");
                prop_assert_eq!(&again, &text);
                prop_assert_eq!(key("", &again), key("", &text));
                let (_, proof) = typing_check(&text).expect("parts");
                prop_assert!(policy::completion(&proof, policy::Rules::Strict).is_ok(), "{}", proof);
            }
        }
    }
}
