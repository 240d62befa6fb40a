use super::super::sample_run::{Shape, facts};
use super::*;
use crate::report::Facts;

const SHAPE: Shape = Shape {
    training: 40,
    held_out: 20,
    iterations: 3,
    conjectures: 60,
    samples: 8,
    collapses: true,
    seed: 7,
};

fn sample_page() -> String {
    let baseline = facts("expert & iteration", Shape { conjectures: 0, collapses: false, ..SHAPE });
    page(&ReportData::of(&facts("run <b>one</b>", SHAPE), &[baseline])).expect("a page")
}

/// Elements that have no end.
const VOID: &[&str] = &["meta", "br", "input", "col", "!DOCTYPE"];

/// Checks that every element is closed where it should be; gives the names of all.
fn elements(html: &str) -> Vec<&str> {
    let (mut open, mut all, mut rest) = (Vec::new(), Vec::new(), html);
    while let Some(start) = rest.find('<') {
        assert!(!rest[..start].contains('>'), "a stray `>` in {}", &rest[..start]);
        let end = start + rest[start..].find('>').expect("a tag ends");
        let tag = &rest[start + 1..end];
        rest = &rest[end + 1..];
        if let Some(name) = tag.strip_prefix('/') {
            assert_eq!(open.pop(), Some(name), "before {rest:.200}");
            continue;
        }
        let name = tag.split([' ', '\n', '/']).next().expect("a name");
        assert!(tag.matches('"').count() % 2 == 0, "an open attribute in {tag}");
        all.push(name);
        if name == "script" || name == "style" {
            rest = &rest[rest.find(&format!("</{name}>")).expect("raw text ends")..];
        }
        if !VOID.contains(&name) && !tag.ends_with('/') {
            open.push(name);
        }
    }
    assert!(open.is_empty(), "not closed: {open:?}");
    all
}

#[test]
fn the_page_is_well_formed_and_whole() {
    let page = sample_page();
    let elements = elements(&page);
    let count = |name| elements.iter().filter(|element| **element == name).count();
    assert_eq!(count("svg"), 14);
    assert_eq!((count("script"), count("body"), count("style")), (1, 1, 1));
    for id in
        ["held-out", "baselines", "alarms", "solved", "conjectures", "diversity", "shape", "work", "proved"]
    {
        assert!(page.contains(&format!("id=\"{id}\"")), "{id}");
    }
    for link in page.match_indices("href=\"#").map(|(at, found)| &page[at + found.len()..]) {
        let id = link.split('"').next().expect("an end");
        assert!(page.contains(&format!("id=\"{id}\"")), "{id}");
    }
}

#[test]
fn nothing_is_loaded_from_elsewhere() {
    let page = sample_page();
    for text in ["http:", "https:", "src=", "url(", "@import", "<link", "<img", "<iframe"] {
        assert!(!page.contains(text), "{text}");
    }
    assert!(page.contains("default-src 'none'"));
}

#[test]
fn text_of_a_model_stays_text() {
    let page = sample_page();
    assert!(page.contains("&lt;script&gt;alert(1)"), "the statement is shown");
    assert!(!page.contains("<script>alert") && !page.contains("<b>one"));
    assert!(page.contains("expert &amp; iteration"), "the baseline is named");
    // What stands in the script is the template's, byte for byte.
    let script = |text: &str| text.split_once("<script>").map(|(_, rest)| rest.to_owned()).expect("a script");
    let end =
        |text: String| text.split_once("</script>").map(|(script, _)| script.to_owned()).expect("an end");
    let squeezed = |text: String| text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert_eq!(squeezed(end(script(&page))), squeezed(end(script(TEMPLATE))));
}

#[test]
fn a_run_that_has_just_begun_has_a_page() {
    let empty = Facts { name: "new".to_owned(), ..Facts::default() };
    let page = page(&ReportData::of(&empty, &[])).expect("a page");
    let elements = elements(&page);
    assert!(!elements.contains(&"svg") && page.contains("Too little to tell"));
    let begun = facts("begun", Shape { iterations: 0, conjectures: 0, ..SHAPE });
    let begun = Facts { after: Vec::new(), ..begun };
    let page = super::page(&ReportData::of(&begun, &[])).expect("a page");
    assert!(page.contains("no difference yet"));
}
