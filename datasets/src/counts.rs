//! The record counts that a `SOURCE.txt` beside a file claims: what a folder of data says of itself.

use std::collections::BTreeMap;

/// File name → records. Two ways of saying it are understood: `name … records=488` on a line of its own, and, in a text,
/// `name: 412 problems` or `name (168)` and `name (164; …)`.
#[must_use]
pub fn of_source_text(text: &str) -> BTreeMap<String, u64> {
    let mut counts = BTreeMap::new();
    for line in text.lines() {
        let mut words = line.split_whitespace();
        let name = words.next().filter(|name| name.contains('.'));
        let count = words.find_map(|word| word.strip_prefix("records=")).and_then(|count| count.parse().ok());
        if let (Some(name), Some(count)) = (name, count) {
            counts.insert(name.to_owned(), count);
            continue;
        }
        in_prose(line, &mut counts);
    }
    counts
}

fn in_prose(line: &str, counts: &mut BTreeMap<String, u64>) {
    let is_of_name = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.');
    let mut rest = line;
    while let Some(end) = rest.find(".json") {
        let start = rest[..end].rfind(|c| !is_of_name(c)).map_or(0, |at| at + 1);
        let length = rest[end..].find(|c| !is_of_name(c)).map_or(rest.len() - end, |at| at);
        let name = &rest[start..end + length];
        rest = &rest[end + length..];
        let said = rest.strip_prefix(": ").or_else(|| rest.strip_prefix(" ("));
        let digits =
            said.map_or("", |said| &said[..said.find(|c: char| !c.is_ascii_digit()).unwrap_or(said.len())]);
        let after = said.and_then(|said| said.get(digits.len()..)).unwrap_or_default();
        let is_count = [")", ";", " problems", " records"].iter().any(|end| after.starts_with(end));
        if let Some(count) = digits.parse().ok().filter(|_| is_count) {
            counts.insert(name.to_owned(), count);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ways_of_counting_are_understood() {
        let text = "name: x\nfiles:\n  a.jsonl.gz  44877 bytes  records=164  sha256[:16]=b7\n  LICENSE 10 bytes records=None\n\
                    core.jsonl: 412 problems (omega tests), 205 with a proof\nb_c.jsonl (168), d.json (164; needs more), e.jsonl (6184; x)\n\
                    fields: f.jsonl also: checked\n";
        let expected = [
            ("a.jsonl.gz", 164),
            ("b_c.jsonl", 168),
            ("core.jsonl", 412),
            ("d.json", 164),
            ("e.jsonl", 6184),
        ];
        assert_eq!(of_source_text(text), expected.map(|(name, count)| (name.to_owned(), count)).into());
    }

    #[test]
    fn other_numbers_are_no_counts() {
        assert!(of_source_text("x.jsonl (made 2026), y.jsonl: 12 bytes, z.jsonl\n.json\n").is_empty());
    }
}
