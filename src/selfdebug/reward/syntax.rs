//! Subtrees of the syntax tree (CodeBLEU, section 3.2).

use std::hash::{DefaultHasher, Hash, Hasher};

use super::tree::SyntaxTree;

/// The subtrees of a text: the root and every node with children, each as a hash of what its S-expression says. That names
/// the named nodes and their fields, and neither words nor operators, so renaming changes nothing. In order of the hash.
#[derive(Debug, Clone)]
pub(super) struct Subtrees(Vec<u64>);

impl Subtrees {
    pub(super) fn new(tree: &SyntaxTree) -> Self {
        let shapes = shapes(tree).into_iter().enumerate();
        let subtrees = shapes.filter(|&(index, _)| index == 0 || !tree.is_leaf(index));
        let mut subtrees: Vec<u64> = subtrees.map(|(_, shape)| shape).collect();
        subtrees.sort_unstable();
        Self(subtrees)
    }
}

/// By node.
fn shapes(tree: &SyntaxTree) -> Vec<u64> {
    let mut shapes = vec![0; tree.len()];
    // Children come behind their parents.
    for index in (0..tree.len()).rev() {
        let node = tree.node(index);
        shapes[index] = node.broken.unwrap_or_else(|| {
            let mut hasher = DefaultHasher::new();
            (node.kind, node.named).hash(&mut hasher);
            for child in tree.children(index) {
                add(tree, child, None, &shapes, &mut hasher);
            }
            hasher.finish()
        });
    }
    shapes
}

/// Adds a child as the S-expression shows it. One without a name is not shown, but its own children are, in its field.
fn add(tree: &SyntaxTree, child: usize, field: Option<&str>, shapes: &[u64], hasher: &mut DefaultHasher) {
    let node = tree.node(child);
    let field = node.field.or(field);
    if node.named {
        (field, shapes[child]).hash(hasher);
    } else {
        tree.children(child).for_each(|inner| add(tree, inner, field, shapes, hasher));
    }
}

/// The share of the references' subtrees that are among the candidate's, over pairs of candidate and reference. At least
/// one pair.
///
/// The paper counts a subtree of the candidate no more often than the reference has it; the package asks only whether
/// it is there.
pub(super) fn recall<'a>(pairs: impl Iterator<Item = (&'a Subtrees, &'a Subtrees)>) -> f64 {
    let (mut matched, mut all) = (0, 0);
    for (candidate, reference) in pairs {
        matched += reference.0.iter().filter(|&subtree| candidate.0.binary_search(subtree).is_ok()).count();
        all += reference.0.len();
    }
    matched as f64 / all as f64
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    fn subtrees(text: &str) -> Subtrees {
        Subtrees::new(&SyntaxTree::new(text))
    }

    fn recalled(candidate: &str, reference: &str) -> f64 {
        recall(std::iter::once((&subtrees(candidate), &subtrees(reference))))
    }

    #[test]
    fn names_and_operators_do_not_count_but_shapes_do() {
        assert!(recalled("y = a - b", "x = 1 + 2").abs() < 1e-12);
        assert!((recalled("y = a - b", "x = c + d") - 1.0).abs() < 1e-12);
        // Of module, expression_statement, assignment and binary_operator only the last is the same in `y = (a - b)`: the
        // parenthesized_expression between them changes the other three.
        assert!((recalled("y = (a - b)", "x = c + d") - 0.25).abs() < 1e-12);
        assert!(recalled("", "x = 1").abs() < 1e-12);
        assert!((recalled("", "") - 1.0).abs() < 1e-12);
    }

    /// Two subtrees have the same hash just where tree-sitter's S-expressions are the same.
    #[test]
    fn hashes_stand_for_s_expressions() {
        let (mut hash_of, mut text_of) = (HashMap::new(), HashMap::new());
        let mut nodes = 0;
        for pair in super::super::golden_tests::pairs() {
            let text = pair.candidate;
            let own = SyntaxTree::new(&text);
            let shapes = shapes(&own);
            let tree = super::super::tree::parse(&text);
            let mut todo = vec![tree.root_node()];
            let mut index = 0;
            while let Some(node) = todo.pop() {
                assert_eq!(own.node(index).kind, node.kind());
                if index == 0 || node.child_count() > 0 {
                    let (hash, s_expression) = (shapes[index], node.to_sexp());
                    assert_eq!(*hash_of.entry(s_expression.clone()).or_insert(hash), hash, "{s_expression}");
                    assert_eq!(*text_of.entry(hash).or_insert(s_expression.clone()), s_expression);
                    nodes += 1;
                }
                todo.extend((0..node.child_count()).rev().filter_map(|child| node.child(child)));
                index += 1;
            }
            assert_eq!(index, own.len());
        }
        assert!(nodes > 500 && text_of.len() > 200, "{nodes} nodes, {} shapes", text_of.len());
    }
}
