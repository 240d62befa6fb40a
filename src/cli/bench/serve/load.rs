//! What is sent: texts, what they cost an ideal server, and what has to come back.

use hyper::body::Bytes;
use serde_json::{Value, json};
use std::ops::Range;
use std::time::Duration;

/// What came of an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    Fine,
    Timeout,
    Crashed,
    OutputLimit,
    Other,
}

impl Class {
    /// Its name in reports.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Fine => "fine",
            Self::Timeout => "timeout",
            Self::Crashed => "crashed",
            Self::OutputLimit => "output-limit",
            Self::Other => "other",
        }
    }
}

/// A snippet or candidate.
#[derive(Debug, Clone, Copy)]
pub(super) struct Item {
    /// What it keeps a worker busy for, whatever the server does.
    pub(super) own: Duration,
    pub(super) expected: Class,
}

/// A request, written down beforehand.
#[derive(Debug, Clone)]
pub(super) struct Call {
    pub(super) body: Bytes,
    pub(super) items: Range<usize>,
}

/// Everything that is sent in one run.
#[derive(Debug, Clone)]
pub(super) struct Load {
    pub(super) path: &'static str,
    pub(super) items: Vec<Item>,
    pub(super) calls: Vec<Call>,
}

/// The address that Kimina's clients use.
const CHECK: &str = "/api/check";
const VERIFY: &str = "/v1/verify";

/// The name of an item in requests and answers.
fn id(index: usize) -> String {
    format!("s{index}")
}

/// The item of that name.
pub(super) fn index(id: &str) -> Option<usize> {
    id.strip_prefix('s')?.parse().ok()
}

/// A snippet that no other is equal to, with a wish for the fake REPL.
fn snippet(index: usize, wish: &str) -> String {
    format!(
        "import Mathlib\nimport Aesop\nset_option maxHeartbeats 400000\nopen BigOperators Real Nat Topology Rat\n\n\
         theorem t{index} (a b : Nat) (h : a = b + {index}) : a - {index} = b := by\n  omega{wish}\n"
    )
}

impl Load {
    /// Snippets, one a request, each with its wish, its cost and what is expected of it.
    fn snippets(count: usize, timeout_s: u64, of: impl Fn(usize) -> (String, Item)) -> Self {
        let mut load =
            Self { path: CHECK, items: Vec::with_capacity(count), calls: Vec::with_capacity(count) };
        for index in 0..count {
            let (wish, item) = of(index);
            let body = json!({
                "snippets": [{"id": id(index), "code": snippet(index, &wish)}], "timeout": timeout_s, "reuse": true,
            });
            load.push(&body, [item]);
        }
        load
    }

    fn push(&mut self, body: &Value, items: impl IntoIterator<Item = Item>) {
        let begin = self.items.len();
        self.items.extend(items);
        self.calls.push(Call { body: body.to_string().into(), items: begin..self.items.len() });
    }

    /// Snippets that cost this much and are fine.
    pub(super) fn plain(count: usize, own: Duration) -> Self {
        let wish = if own.is_zero() { String::new() } else { format!(" -- fake:sleep={}", own.as_millis()) };
        Self::snippets(count, 30, |_| (wish.clone(), Item { own, expected: Class::Fine }))
    }

    /// As [`plain`](Self::plain), but of each hundred one hangs, one dies and one floods.
    ///
    /// What hangs is ended after its time and judged once more in a fresh process, for the one that it hung in has been
    /// used by others before: it keeps a worker busy twice.
    pub(super) fn faulty(count: usize, own: Duration, timeout: Duration) -> Self {
        Self::snippets(count, timeout.as_secs(), |index| {
            let fault = |wish: &str, own, expected| (wish.to_owned(), Item { own, expected });
            match index % 100 {
                17 => fault(" -- fake:hang", 2 * timeout, Class::Timeout),
                50 => fault(" -- fake:die", Duration::ZERO, Class::Crashed),
                83 => fault(" -- fake:flood", Duration::ZERO, Class::OutputLimit),
                _ => fault(&format!(" -- fake:sleep={}", own.as_millis()), own, Class::Fine),
            }
        })
    }

    /// Candidates with pinned statements, one a request; there are only so many `different` ones.
    pub(super) fn candidates(count: usize, different: usize) -> Self {
        let mut load =
            Self { path: VERIFY, items: Vec::with_capacity(count), calls: Vec::with_capacity(count) };
        for index in 0..count {
            let number = index % different;
            let statement =
                format!("theorem t{number} (a b : Nat) (h : a = b + {number}) : a - {number} = b := by");
            let candidate = json!({
                "id": id(index), "kind": "lean", "header": "import Mathlib\n", "formal_statement": statement,
                "completion": "\n  omega",
            });
            let item = Item { own: Duration::ZERO, expected: Class::Fine };
            load.push(&json!({"candidates": [candidate]}), [item]);
        }
        load
    }

    /// Proofs of the bundled workbook, so many a request, each under a name of its own; of each hundred one hangs, one
    /// kills Lean, and one makes it print megabytes, which costs it nothing else: it is a proof.
    pub(super) fn workbook(batch: usize, count: usize) -> Self {
        let mut load = Self { path: VERIFY, items: Vec::new(), calls: Vec::new() };
        let proofs = proofs();
        for begin in (0..count).step_by(batch.max(1)) {
            let numbers = begin..(begin + batch.max(1)).min(count);
            let (candidates, items): (Vec<Value>, Vec<Item>) =
                numbers.map(|number| lean_item(number, &proofs[number % proofs.len()])).unzip();
            load.push(&json!({"candidates": candidates}), items);
        }
        load
    }
}

/// Header, statement and proof of what the workbook has proofs of.
fn proofs() -> Vec<(String, String, String)> {
    use proofloop_datasets::{Kind, Split, workbook};
    let problems = [Split::Train, Split::Valid, Split::Test].into_iter().flat_map(workbook::problems);
    let proved = problems.filter_map(|problem| match (problem.kind, problem.known) {
        (Kind::Lean(lean), Some(proof)) => Some((lean.header, lean.statement, proof)),
        (Kind::Lean(_) | Kind::LeanGaps(_) | Kind::Isabelle(_) | Kind::Python(_), _) => None,
    });
    proved.collect()
}

fn lean_item(number: usize, (header, statement, proof): &(String, String, String)) -> (Value, Item) {
    const NO_LIMIT: &str = "\n  set_option maxHeartbeats 0 in\n  set_option maxRecDepth 1000000000 in\n  ";
    let renamed = |statement: &str| statement.replacen("theorem ", &format!("theorem n{number}_"), 1);
    let (header, statement, completion, expected) = match number % 100 {
        17 => (
            "",
            "theorem h : ∀ a b c d e f : Fin 40, a.val + b.val + c.val + d.val + e.val + f.val < 300 := by",
            format!("{NO_LIMIT}decide +kernel"),
            Class::Timeout,
        ),
        50 => (
            "",
            "theorem d (f : Nat → Nat) (h : ∀ x, f x = f (x + 1)) : f 0 = 7 := by",
            format!("{NO_LIMIT}repeat rw [h]"),
            Class::Crashed,
        ),
        83 => (
            "",
            "theorem l : 1 = 1 := by",
            format!("\n  iterate 100 trace \"{}\"\n  rfl", "all is well ".repeat(3_000)),
            Class::Fine,
        ),
        _ => (header.as_str(), statement.as_str(), proof.clone(), Class::Fine),
    };
    let candidate = json!({
        "id": id(number), "kind": "lean", "header": header, "formal_statement": renamed(statement),
        "completion": completion,
    });
    (candidate, Item { own: Duration::ZERO, expected })
}
