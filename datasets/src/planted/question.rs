//! What a task asks, apart from how it says so.

/// A task's question: its docstring without capitals and stretches of white space, and without what the families vary: the
/// verb it begins with, and words of the same meaning. The function's name is no part of it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Question(String);

/// Words at the beginning, and what they come to.
const BEGINNINGS: [(&str, &str); 11] = [
    ("return ", ""),
    ("give ", ""),
    ("find ", ""),
    ("list ", ""),
    ("add up ", "the sum of "),
    ("count the ", "the number of "),
    ("sort ", "sorted, "),
    ("say whether", "tell whether"),
    ("check whether", "tell whether"),
    ("print ", "write "),
    ("put together ", "join "),
];

const SAME: [(&str, &str); 6] = [
    ("greater than", "above"),
    ("more than", "above"),
    ("less than", "below"),
    ("biggest", "largest"),
    ("the least of", "the smallest of"),
    (" then ", " and "),
];

/// "The squares of the numbers" are "the numbers, each squared".
const EACH: [(&str, &str); 6] = [
    ("the squares of ", "each squared"),
    ("the doubles of ", "each doubled"),
    ("the triples of ", "each tripled"),
    ("the absolute values of ", "each without sign"),
    ("the first letters of ", "each cut to its first letter"),
    ("the last letters of ", "each cut to its last letter"),
];

impl Question {
    /// Of a prompt with a docstring in triple quotation marks; of the whole prompt where there is none.
    #[must_use]
    pub fn of(prompt: &str) -> Self {
        let doc = prompt.split("\"\"\"").nth(1).unwrap_or(prompt);
        let words = doc.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase();
        let mut text = words.trim_end_matches('.').to_owned();
        if let Some((beginning, instead)) =
            BEGINNINGS.iter().find(|(beginning, _)| text.starts_with(beginning))
        {
            text = format!("{instead}{}", &text[beginning.len()..]);
        }
        for (words, instead) in SAME {
            text = text.replace(words, instead);
        }
        for (words, instead) in EACH {
            if text.contains(words) {
                text = format!("{}, {instead}", text.replacen(words, "", 1));
            }
        }
        // "…, sorted" and "sorted, …" are one.
        let mut clauses: Vec<&str> = text.split(", ").collect();
        clauses.sort_unstable();
        Self(clauses.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn question(doc: &str) -> Question {
        Question::of(&format!("def f(xs):\n    \"\"\"{doc}\"\"\"\n"))
    }

    #[test]
    fn phrasings_of_one_question_are_one() {
        for group in [
            &[
                "Return the sum of the squares of the even numbers in xs.",
                "Give the  sum of the even numbers\n    in xs, each squared",
                "Add up the squares of the even numbers in xs.",
            ][..],
            &["Sort the numbers above 3 in xs.", "Find the numbers greater than 3 in xs, sorted."],
            &["Count the odd numbers in xs.", "Return the number of odd numbers in xs."],
            &["Take n, add 1 and multiply by 2.", "Take n, add 1 then multiply by 2."],
        ] {
            assert!(group.iter().all(|doc| question(doc) == question(group[0])), "{group:?}");
        }
        assert_eq!(question("Return x."), Question::of("def g(y):\n    '''no'''\n    \"\"\"give x\"\"\"\n"));
    }

    #[test]
    fn other_questions_are_others() {
        let docs = [
            "Return the sum of the even numbers in xs.",
            "Return the sum of the odd numbers in xs.",
            "Return the even numbers in xs.",
            "Return the numbers above 3 in xs.",
            "Return the numbers above 4 in xs.",
        ];
        for (at, doc) in docs.iter().enumerate() {
            assert!(docs[..at].iter().all(|other| question(other) != question(doc)), "{doc}");
        }
    }
}
