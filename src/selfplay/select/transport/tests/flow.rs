//! The transportation problem exactly, for small cases: successive shortest paths (Bellman and Ford), one unit at a time.

/// An edge of the residual graph; its reverse is the one with the last bit of the index flipped.
struct Edge {
    to: usize,
    room: i64,
    cost: f64,
}

/// The least cost of sending each source's supply to `sinks` that take at most `most` units each; `None` if they cannot
/// take it all.
pub(super) fn transport(
    supply: &[i64],
    sinks: usize,
    most: i64,
    cost: impl Fn(usize, usize) -> f64,
) -> Option<f64> {
    let (start, end) = (supply.len() + sinks, supply.len() + sinks + 1);
    let (mut edges, mut out): (Vec<Edge>, Vec<Vec<usize>>) = (Vec::new(), vec![Vec::new(); end + 1]);
    let mut add = |from: usize, to: usize, room: i64, cost: f64| {
        out[from].push(edges.len());
        out[to].push(edges.len() + 1);
        edges.push(Edge { to, room, cost });
        edges.push(Edge { to: from, room: 0, cost: -cost });
    };
    for (source, &units) in supply.iter().enumerate() {
        add(start, source, units, 0.0);
        (0..sinks).for_each(|sink| add(source, supply.len() + sink, units, cost(source, sink)));
    }
    (0..sinks).for_each(|sink| add(supply.len() + sink, end, most, 0.0));
    let mut total = 0.0;
    for _ in 0..supply.iter().sum() {
        total += send(&mut edges, &out, start, end)?;
    }
    Some(total)
}

/// Sends one unit along a cheapest path; what it costs.
fn send(edges: &mut [Edge], out: &[Vec<usize>], start: usize, end: usize) -> Option<f64> {
    let mut distance = vec![f64::INFINITY; out.len()];
    let mut by = vec![None; out.len()];
    distance[start] = 0.0;
    let mut changed = true;
    while changed {
        changed = false;
        for (node, edges_out) in out.iter().enumerate() {
            for &index in edges_out {
                let edge = &edges[index];
                let through = distance[node] + edge.cost;
                // The margin keeps rounding from going round in circles.
                if edge.room > 0 && through < distance[edge.to] - 1e-12 {
                    distance[edge.to] = through;
                    by[edge.to] = Some(index);
                    changed = true;
                }
            }
        }
    }
    let mut node = end;
    while node != start {
        let index = by[node]?;
        edges[index].room -= 1;
        edges[index ^ 1].room += 1;
        node = edges[index ^ 1].to;
    }
    Some(distance[end])
}

#[test]
fn a_small_case_is_solved() {
    // Two sources of one unit both like the first sink, which takes one: 1 + 2 beats 3 + 9.
    let costs = [[1.0, 9.0], [3.0, 2.0]];
    assert_eq!(transport(&[1, 1], 2, 1, |y, x| costs[y][x]).map(f64::round), Some(3.0));
    assert_eq!(transport(&[1, 1], 2, 2, |y, x| costs[y][x]).map(f64::round), Some(3.0));
    // The second would rather go to the first sink, but that costs the first more.
    let costs = [[1.0, 9.0], [1.0, 2.0]];
    assert_eq!(transport(&[1, 1], 2, 1, |y, x| costs[y][x]).map(f64::round), Some(3.0));
    assert_eq!(transport(&[1, 1], 2, 2, |y, x| costs[y][x]).map(f64::round), Some(2.0));
    assert!(transport(&[2, 1], 2, 1, |_, _| 1.0).is_none());
}
