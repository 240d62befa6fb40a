//! A text's syntax tree as a list.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::Range;

use tree_sitter::{Parser, Point, Tree, TreeCursor};

/// tree-sitter's tree of `text`. With a parser of its own: how one recovers from a syntax error depends now and then on
/// the texts that it has parsed before.
pub(in crate::selfdebug) fn parse(text: &str) -> Tree {
    let mut parser = Parser::new();
    parser.set_language(&tree_sitter_python::language()).expect("Cargo.lock pairs grammar and parser");
    parser.parse(text, None).expect("a parser with a language and without a time limit returns a tree")
}

/// A node. Its index is its place in preorder.
#[derive(Debug, Clone)]
pub(super) struct Node {
    /// As the grammar names it; of a keyword, an operator or a bracket its text.
    pub(super) kind: &'static str,
    /// What it is to its parent.
    pub(super) field: Option<&'static str>,
    pub(super) named: bool,
    /// Of a node with a syntax error in it: the hash of its S-expression.
    pub(super) broken: Option<u64>,
    pub(super) start: Point,
    pub(super) end: Point,
    /// The index behind its last descendant.
    next: usize,
}

/// The nodes of a text's syntax tree, the root first. There is one for every text: where it is no Python, some nodes say so.
#[derive(Debug, Clone)]
pub(super) struct SyntaxTree {
    nodes: Vec<Node>,
    /// The most nodes from the root to a leaf.
    pub(super) depth: usize,
}

impl SyntaxTree {
    pub(super) fn new(text: &str) -> Self {
        let tree = parse(text);
        let mut found = Self { nodes: Vec::new(), depth: 0 };
        let mut open: Vec<usize> = Vec::new();
        let mut cursor = tree.walk();
        'nodes: loop {
            open.push(found.nodes.len());
            found.nodes.push(node(&cursor));
            found.depth = found.depth.max(open.len());
            if cursor.goto_first_child() {
                continue;
            }
            while let Some(last) = open.pop() {
                found.nodes[last].next = found.nodes.len();
                if cursor.goto_next_sibling() {
                    continue 'nodes;
                }
                cursor.goto_parent();
            }
            return found;
        }
    }

    pub(super) fn len(&self) -> usize {
        self.nodes.len()
    }

    pub(super) fn node(&self, index: usize) -> &Node {
        &self.nodes[index]
    }

    /// The node with all its descendants.
    pub(super) fn within(&self, index: usize) -> Range<usize> {
        index..self.nodes[index].next
    }

    pub(super) fn is_leaf(&self, index: usize) -> bool {
        self.nodes[index].next == index + 1
    }

    pub(super) fn children(&self, index: usize) -> impl Iterator<Item = usize> {
        let end = self.nodes[index].next;
        let child = move |index: usize| (index < end).then_some(index);
        std::iter::successors(child(index + 1), move |&last| child(self.nodes[last].next))
    }

    /// The first child in a field.
    pub(super) fn child_by_field(&self, index: usize, field: &str) -> Option<usize> {
        self.children(index).find(|&child| self.nodes[child].field == Some(field))
    }
}

fn node(cursor: &TreeCursor<'_>) -> Node {
    let node = cursor.node();
    let broken = node.has_error().then(|| {
        let mut hasher = DefaultHasher::new();
        node.to_sexp().hash(&mut hasher);
        hasher.finish()
    });
    Node {
        kind: node.kind(),
        field: cursor.field_name(),
        named: node.is_named(),
        broken,
        start: node.start_position(),
        end: node.end_position(),
        next: 0,
    }
}
