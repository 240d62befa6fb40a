//! Blocks between fences of backticks in a model's text.
//!
//! Published harnesses use a regular expression from an opening fence to the next one. Two things are added. A fence
//! inside a comment of the block's own text does not end it, and a second opening fence means that the first block was
//! never closed, not that it ends there.

/// So many fences are tried as the end of a block. It bounds the work for a text that is all fences.
const MOST_TRIES: usize = 8;

const TICKS: &str = "```";

/// A block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Block<'a> {
    /// What stands behind the opening backticks: `lean4`.
    pub(super) info: &'a str,
    /// The lines between the fences, without the last line break.
    pub(super) text: &'a str,
    /// Whether there is a closing fence.
    pub(super) is_closed: bool,
}

/// The last backticks of a line, as far as they may be a fence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Fence<'a> {
    /// Where the backticks begin, in bytes of the whole text.
    offset: usize,
    /// How many there are; at least three.
    ticks: usize,
    info: &'a str,
    /// Whether only white space stands before them.
    is_alone: bool,
}

#[derive(Debug, Clone, Copy)]
struct Line<'a> {
    start: usize,
    fence: Option<Fence<'a>>,
}

/// The blocks in the order in which they begin. `is_whole` says of a block's language and text whether a fence behind it
/// stands outside of all comments.
pub(super) fn blocks<'a>(text: &'a str, is_whole: impl Fn(&str, &str) -> bool) -> Vec<Block<'a>> {
    let lines = lines(text);
    let mut blocks = Vec::new();
    let mut at = 0;
    while let Some(line) = lines.get(at) {
        at += 1;
        let is_opening = |fence: &Fence<'_>| fence.is_alone || !fence.info.is_empty();
        let Some(opening) = line.fence.filter(is_opening) else { continue };
        let (block, next) = block(text, &lines, at, opening, &is_whole);
        blocks.push(block);
        at = next;
    }
    blocks
}

/// The block whose first line is `first`, and the line to go on with: none before the first fence behind it, so that no
/// text is looked at more than [`MOST_TRIES`] squared times.
fn block<'a>(
    text: &'a str,
    lines: &[Line<'a>],
    first: usize,
    opening: Fence<'a>,
    is_whole: impl Fn(&str, &str) -> bool,
) -> (Block<'a>, usize) {
    let start = lines.get(first).map_or(text.len(), |line| line.start);
    let block = |end: usize, is_closed: bool| Block {
        info: opening.info,
        text: without_line_break(&text[start..end]),
        is_closed,
    };
    let mut closed = None;
    let mut reopened = None;
    let ends = lines.iter().enumerate().skip(first).filter_map(|(index, line)| {
        let fence = line.fence.filter(|fence| fence.ticks >= opening.ticks)?;
        let end = if fence.is_alone { line.start } else { fence.offset };
        (fence.is_alone || fence.info.is_empty()).then_some((index, end, fence.info.is_empty()))
    });
    for (index, end, closes) in ends.take(MOST_TRIES) {
        let whole = is_whole(opening.info, &text[start..end]);
        match (closes, whole) {
            (true, true) => return (block(end, true), index + 1),
            (false, true) => return (block(end, false), index),
            (true, false) => _ = closed.get_or_insert((end, index + 1)),
            (false, false) => _ = reopened.get_or_insert(index),
        }
    }
    match (closed, reopened) {
        (Some((end, next)), _) => (block(end, true), next),
        (None, Some(next)) => (block(text.len(), false), next),
        // Shorter fences may follow, but none as long.
        (None, None) if opening.ticks > TICKS.len() => (block(text.len(), false), first),
        (None, None) => (block(text.len(), false), lines.len()),
    }
}

fn without_line_break(text: &str) -> &str {
    let text = text.strip_suffix('\n').unwrap_or(text);
    text.strip_suffix('\r').unwrap_or(text)
}

fn lines(text: &str) -> Vec<Line<'_>> {
    let mut next = 0;
    let line = |line| {
        let start = next;
        next += str::len(line);
        Line { start, fence: fence(start, line) }
    };
    text.split_inclusive('\n').map(line).collect()
}

/// `line` begins at byte `start` of the text.
fn fence(start: usize, line: &str) -> Option<Fence<'_>> {
    let line = line.trim_end();
    let last = line.rfind(TICKS)?;
    let before = line[..last].trim_end_matches('`');
    let info = &line[last + TICKS.len()..];
    let is_alone = before.trim_start().is_empty();
    // In mid-line, a fence is followed by one word at most; and ticks in pairs are a quotation.
    let is_fence = is_alone || !(info.contains(char::is_whitespace) || before.contains(TICKS));
    let ticks = last + TICKS.len() - before.len();
    is_fence.then(|| Fence { offset: start + before.len(), ticks, info: info.trim(), is_alone })
}

#[cfg(test)]
#[path = "fence_tests.rs"]
mod tests;
