//! No query reads a table that it need not read: what was quick at a thousand conjectures stays so at a million.

use super::*;
use crate::store::{attempts, queries, statements, verdicts};

fn plan(store: &RunStore, query: &str) -> Vec<String> {
    let mut explained = store.connection.prepare(&format!("EXPLAIN QUERY PLAN {query}")).unwrap();
    let parameters = vec![1; explained.parameter_count()];
    let rows = explained.query_map(rusqlite::params_from_iter(parameters), |row| row.get(3)).unwrap();
    rows.map(|row| row.unwrap()).collect()
}

#[test]
fn queries_search_and_do_not_scan() {
    let place = Place::new();
    let store = place.create();
    for query in [
        statements::OF_ORIGIN,
        statements::ONE,
        statements::BY_KEY,
        verdicts::BY_ADDRESS,
        queries::CONJECTURES,
        queries::EXAMPLES,
        queries::PASS_RATES,
        queries::SAMPLES,
        attempts::OF_STAGES,
    ] {
        for step in plan(&store, query) {
            // What a subquery has left, and the list of stages, are read whole by intent.
            let is_table = step.starts_with("SCAN") && step != "SCAN a" && !step.contains("json_each");
            assert!(!is_table, "{step}\n{query}");
        }
    }
}

#[test]
fn what_is_in_the_order_of_a_key_is_not_sorted() {
    let place = Place::new();
    let store = place.create();
    for query in
        [statements::ALL, queries::CONJECTURES, queries::EXAMPLES, queries::PASS_RATES, queries::SAMPLES]
    {
        assert!(plan(&store, query).iter().all(|step| !step.contains("TEMP B-TREE")), "{query}");
    }
}
