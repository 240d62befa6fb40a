//! Theories as they are written, and what a candidate's file may do to them.

use super::*;

const NONCE: &str = "0123456789abcdef0123456789abcdef";

fn imports() -> Vec<String> {
    vec!["Complex_Main".to_owned(), "HOL-Library.Sum_of_Squares".to_owned()]
}

fn pinned(imports: &[String]) -> Pinned<'_> {
    Pinned { imports, header: "definition \"f = (1::nat)\"", statement: "theorem t:\n  shows \"f ≤ 1\"" }
}

#[test]
fn a_completion_stands_in_a_theory_of_ours() {
    let imports = imports();
    let layout =
        Layout::of_completion(pinned(&imports), "\n  unfolding f_def\n  by simp\n", Rules::Strict, NONCE)
            .expect("a theory");
    let expected = format!(
        "theory Pl{NONCE} imports Complex_Main \"HOL-Library.Sum_of_Squares\"\nbegin\ndefinition \"f = (1::nat)\"\n\
         theorem pl_{NONCE}:\n  shows \"f \\<le> 1\"\n  unfolding f_def\n  by simp\nthm_oracles pl_{NONCE}\nend\n"
    );
    assert_eq!(layout.text, expected);
    let [evidence] = &layout.evidence[..] else { panic!("{:?}", layout.evidence) };
    assert_eq!(evidence.line, 8);
    let before = &layout.text[..layout.text.find("thm_oracles").expect("it is there")];
    assert_eq!(evidence.offset, symbols::count(before) + 1);
    assert_eq!(evidence.end_offset - evidence.offset, 11);
    let place = |word: &str| symbols::count(&layout.text[..layout.text.find(word).expect("it is there")]) + 1;
    assert_eq!(layout.region(place("begin")), Region::Header);
    assert_eq!(layout.region(place("definition")), Region::Trusted);
    assert_eq!(layout.region(place("\\<le>")), Region::Trusted);
    assert_eq!(layout.region(place("unfolding")), Region::Candidate);
    assert_eq!(layout.region(place("simp")), Region::Candidate);
    assert_eq!(layout.region(evidence.offset), Region::Ours);
    assert_eq!(layout.candidate_line(4), Some(2));
    assert_eq!(layout.candidate_line(2), None);
    assert_eq!(layout.for_people(&format!("theorem pl_{NONCE}: x")), "theorem t: x");
}

#[test]
fn a_statement_that_is_no_theorem_is_not_the_candidates_fault() {
    let imports = imports();
    for statement in ["definition \"x\"", "lemma (in monoid) t: \"x\"", "theorem t: \"x", ""] {
        let pinned = Pinned { statement, ..pinned(&imports) };
        let result = Layout::of_completion(pinned, "by simp", Rules::Strict, NONCE);
        assert!(matches!(result, Err(NoTheory::Unpinnable(_))), "{statement}: {result:?}");
    }
}

fn file(code: &str, is_pinned: bool) -> Result<Layout, Reason> {
    let imports = imports();
    let pinned = is_pinned.then(|| pinned(&imports));
    Layout::of_file(code, pinned, Rules::Strict, NONCE).map_err(|error| match error {
        NoTheory::Refused(finding) => finding.reason,
        NoTheory::Unpinnable(why) => panic!("{why}"),
    })
}

#[test]
fn every_theorem_of_a_file_is_asked_for() {
    let code = "(* me *)\ntheory X imports Main begin\ndefinition \"f = (1::nat)\"\nlemma a: \"f = 1\" by (simp add: f_def)\n\
                lemma \"True\" by simp\nlemma [simp]: \"f \\<noteq> 0\" by (simp add: f_def)\nend\n(* end *)";
    let layout = file(code, false).expect("a theory");
    let theorems: Vec<&str> = layout.evidence.iter().map(|evidence| evidence.theorem.as_str()).collect();
    let second = format!("pl_{NONCE}_1");
    let third = format!("pl_{NONCE}_2");
    assert_eq!(theorems, ["a", &second, &third]);
    for part in [
        format!("lemma {second}: \"True\" by simp"),
        format!("lemma {third} [simp]: \"f"),
        format!("thm_oracles {third}\nend\n"),
    ] {
        assert!(layout.text.contains(&part), "{part} in {}", layout.text);
    }
    for (code, reason) in [
        ("lemma \"x\" by simp", Reason::Malformed),
        ("theory X imports Main begin lemma \"x\" by simp", Reason::Malformed),
        ("theory X imports Main begin end", Reason::MissingDeclaration),
        (
            "theory X imports Main keywords \"foo\" :: thy_decl begin lemma \"x\" by simp end",
            Reason::MetaCode,
        ),
        (
            "theory X imports Main begin axiomatization where a: False lemma \"x\" by (rule a) end",
            Reason::Axiom,
        ),
        ("theory X imports Main begin lemma \"x\" by simp end end", Reason::Malformed),
        ("theory X imports Main begin lemma \"x\" sorry end", Reason::Sorry),
        ("theory X imports Main begin locale l begin lemma \"x\" by simp end end", Reason::StatementMismatch),
    ] {
        assert_eq!(file(code, false).map(|layout| layout.text), Err(reason), "{code}");
    }
}

#[test]
fn a_pinned_file_must_prove_the_pinned_theorem_and_may_only_help_it() {
    let frame = |body: &str| format!("theory X imports Main begin\n{body}\nend");
    let good = "definition \"f = (1::nat)\"\nlemma h [simp]: \"f = 1\" by (simp add: f_def)\n\
                theorem t: shows \"f \\<le> 1\" (* here *)\n  by simp\nlemma u: \"True\" by simp";
    let layout = file(&frame(good), true).expect("a theory");
    assert_eq!(layout.text.matches("definition").count(), 1, "the pinned one: {}", layout.text);
    assert!(
        layout.text.contains("lemma h [simp]: \"f = 1\" by (simp add: f_def)\ntheorem pl_"),
        "{}",
        layout.text
    );
    assert!(!layout.text.contains("lemma u"), "{}", layout.text);
    for (body, reason) in [
        ("theorem t: shows \"f \\<le> 2\" by simp", Reason::StatementMismatch),
        ("theorem u: shows \"f \\<le> 1\" by simp", Reason::MissingDeclaration),
        ("definition \"f = (2::nat)\"\ntheorem t: shows \"f \\<le> 1\" by simp", Reason::StatementMismatch),
        (
            "notation less_eq (infix \"\\<le>\" 50)\ntheorem t: shows \"f \\<le> 1\" by simp",
            Reason::StatementMismatch,
        ),
        (
            "lemma h [coercion]: \"f = 1\" by simp\ntheorem t: shows \"f \\<le> 1\" by simp",
            Reason::StatementMismatch,
        ),
        (
            "lemma h [[coercion_enabled]]: \"f = 1\" by simp\ntheorem t: shows \"f \\<le> 1\" by simp",
            Reason::StatementMismatch,
        ),
        ("theorem t: shows \"f \\<le> 1\" oops", Reason::MissingDeclaration),
    ] {
        assert_eq!(file(&frame(body), true).map(|layout| layout.text), Err(reason), "{body}");
    }
}

#[test]
fn pieces_make_the_source_again() {
    let text = "(* A *)\ntheory t imports Main\nbegin\n\ndefinition \"f = 1\"\n\ntheorem t: \"x by y\" (* by *)\n  sorry \n\nend\n";
    let pieces = Pieces::of(text).expect("a theory");
    assert_eq!(
        format!("{}{}{}{}{}", pieces.frame, pieces.header, pieces.statement, pieces.proof, pieces.rest),
        text
    );
    assert_eq!(pieces.statement, "theorem t: \"x by y\" (* by *)\n  ");
    assert_eq!(pieces.proof, "sorry");
    assert_eq!(pieces.header.trim(), "definition \"f = 1\"");
}
